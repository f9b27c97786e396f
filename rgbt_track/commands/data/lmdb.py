"""``rgbt-track data lmdb``: pack a data set's crops into one file for fast training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import progress_bar
from rgbt_track.commands.options import DatasetName, RootFolder, SplitName
from rgbt_track.config.pairs import StoreConfig
from rgbt_track.data import open_dataset
from rgbt_track.io.paths import check_paths
from rgbt_track.pairs.lmdb_pack import pack_lmdb
from rgbt_track.pairs.lmdb_store import LmdbStore
from rgbt_track.pairs.pseudo_boxes import add_pseudo_boxes


def data_lmdb(
    dataset: DatasetName,
    out: Annotated[Path, typer.Argument(help="The file to write, for example gtot.lmdb.")],
    root: RootFolder,
    split: SplitName = None,
    size: Annotated[int, typer.Option(help="Side of a stored crop in pixels.")] = 511,
    factor: Annotated[float, typer.Option(help="Side of a stored crop in context sides.")] = 4.0,
    quality: Annotated[int, typer.Option(help="JPEG quality, 1 to 100.")] = 95,
    every: Annotated[int, typer.Option(min=1, help="Take each N-th labelled frame only.")] = 1,
    pseudo_boxes: Annotated[
        int,
        typer.Option(
            "--pseudo-boxes",
            "--invent",
            min=0,
            max=1000,
            help="Make N pseudo boxes per image that has none.",
        ),
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=0, max=1024, help="Processes that cut and encode.")
    ] = 2,
) -> None:
    """Pack crops around the targets of a data set; an interrupted packing is resumed.

    Example: `rgbt-track data lmdb lasher --root ~/data/LasHeR --split train lasher_train.lmdb`
    """
    check_paths(inputs={"--root": root}, files={"OUT": out} if out.parent.is_dir() else {})
    geometry = StoreConfig(size=size, factor=factor, quality=quality)
    sequences = open_dataset(dataset, root, split)
    if pseudo_boxes:
        sequences = add_pseudo_boxes(sequences, pseudo_boxes)
    with progress_bar("packing") as on_progress:
        pack_lmdb(sequences, out, geometry, workers=workers, every=every, on_progress=on_progress)
    store = LmdbStore(out)
    frames = sum(len(track) for track in store.tracks)
    megabytes = out.stat().st_size / 1e6
    typer.echo(f"{out}: {len(store.tracks)} tracks, {frames} crops, {megabytes:.0f} MB")
