"""``rgbt-track data show``: an image of training pairs, as the network gets them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import frame_folders
from rgbt_track.commands.options import SplitName
from rgbt_track.config.pairs import SourceConfig
from rgbt_track.config.tracker import load_experiment
from rgbt_track.data.open import open_dataset
from rgbt_track.io.images import check_image_name, write_image
from rgbt_track.io.paths import check_paths
from rgbt_track.pairs.preview import preview_pairs
from rgbt_track.pairs.sources import pair_dataset
from rgbt_track.resources import require


def data_show(
    dataset: Annotated[
        str, typer.Argument(help="A description by name, a .yaml file, or a packed .lmdb.")
    ],
    out: Annotated[Path, typer.Argument(help="The image to write, for example pairs.png.")],
    root: Annotated[
        Path, typer.Option(help="Where the data set lies; not needed for .lmdb.")
    ] = Path("."),
    split: SplitName = None,
    experiment: Annotated[
        str, typer.Option(help="Whose crop sizes and augmentation.")
    ] = "lrrtrack_lite",
    rows: Annotated[int, typer.Option(min=1, max=100, help="Rows of pairs.")] = 4,
    columns: Annotated[int, typer.Option(min=1, max=100, help="Columns of pairs.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Another seed shows other pairs.")] = 0,
) -> None:
    """Draw training pairs and boxes: visible above, thermal below, template left of search.

    Example: `rgbt-track data show gtot --root ~/data/GTOT pairs.png`
    """
    check_image_name(out)
    config = load_experiment(experiment)
    if dataset.endswith(".lmdb"):
        require("train", "lmdb")
        source = SourceConfig(lmdb=dataset)
    else:
        source = SourceConfig(dataset=dataset, folder=str(root), split=split)
    out.parent.mkdir(parents=True, exist_ok=True)
    if dataset.endswith(".lmdb"):
        check_paths(inputs={"DATASET": dataset}, files={"OUT": out})
    else:
        check_paths(inputs=frame_folders(open_dataset(dataset, root, split)), files={"OUT": out})
    training = dataclasses.replace(config.training, root=".", sources=(source,))
    pairs = pair_dataset(dataclasses.replace(config, training=training))
    write_image(out, preview_pairs(pairs, seed, rows, columns))
    typer.echo(f"{out}: {rows * columns} pairs; green: the target, red: another object (negative)")
