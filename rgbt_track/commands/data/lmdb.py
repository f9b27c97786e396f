"""``rgbt-track data lmdb``: pack a data set's crops into one file for fast training."""

from __future__ import annotations

from pathlib import Path

import typer


def data_lmdb(
    dataset: str = typer.Argument(help="A shipped description by name, or a .yaml file."),
    out: Path = typer.Argument(help="The file to write, for example gtot.lmdb."),
    root: Path = typer.Option(..., help="Where the data set lies."),
    split: str = typer.Option(None, help="Pack one split only, for example train."),
    size: int = typer.Option(511, help="Side of a stored crop in pixels."),
    factor: float = typer.Option(4.0, help="Side of a stored crop in context sides."),
    quality: int = typer.Option(95, help="JPEG quality, 1 to 100."),
    every: int = typer.Option(1, help="Take each N-th labelled frame only."),
    pseudo_boxes: int = typer.Option(
        0, "--pseudo-boxes", "--invent", help="Make N pseudo boxes per image that has none."
    ),
    workers: int = typer.Option(2, help="Processes that cut and encode."),
) -> None:
    """Pack crops around the targets of a data set; an interrupted packing is resumed.

    Example: `rgbt-track data lmdb lasher --root ~/data/LasHeR --split train lasher_train.lmdb`
    """
    from rich.progress import Progress

    from rgbt_track.config.pairs import StoreConfig
    from rgbt_track.data import open_dataset
    from rgbt_track.pairs.lmdb_pack import pack_lmdb
    from rgbt_track.pairs.lmdb_store import LmdbStore
    from rgbt_track.pairs.pseudo_boxes import add_pseudo_boxes

    geometry = StoreConfig(size=size, factor=factor, quality=quality)
    sequences = open_dataset(dataset, root, split)
    if pseudo_boxes:
        sequences = add_pseudo_boxes(sequences, pseudo_boxes)
    with Progress(transient=True) as bar:
        task = bar.add_task("packing", total=None)
        pack_lmdb(
            sequences,
            out,
            geometry,
            workers=workers,
            every=every,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    store = LmdbStore(out)
    frames = sum(len(track) for track in store.tracks)
    megabytes = out.stat().st_size / 1e6
    typer.echo(f"{out}: {len(store.tracks)} tracks, {frames} crops, {megabytes:.0f} MB")
