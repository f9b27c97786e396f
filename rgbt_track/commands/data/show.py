"""``rgbt-track data show``: an image of training pairs, as the network sees them."""

from __future__ import annotations

from pathlib import Path

import typer


def data_show(
    dataset: str = typer.Argument(help="A description by name, a .yaml file, or a packed .lmdb."),
    out: Path = typer.Argument(help="The image to write, for example pairs.png."),
    root: Path = typer.Option(Path("."), help="Where the data set lies; not needed for .lmdb."),
    split: str = typer.Option(None, help="One split only, for example train."),
    experiment: str = typer.Option("lrrtrack_lite", help="Whose crop sizes and augmentation."),
    rows: int = typer.Option(4, help="Rows of pairs."),
    columns: int = typer.Option(4, help="Columns of pairs."),
    seed: int = typer.Option(0, help="Another seed shows other pairs."),
) -> None:
    """Draw training pairs with their boxes: visible above, thermal below, template left of search.

    Example: `rgbt-track data show gtot --root ~/data/GTOT pairs.png`
    """
    import dataclasses

    from rgbt_track.config.pairs import SourceConfig
    from rgbt_track.config.tracker import load_experiment
    from rgbt_track.io.images import write_image
    from rgbt_track.pairs.preview import preview_pairs
    from rgbt_track.pairs.sources import pair_dataset
    from rgbt_track.resources import require

    config = load_experiment(experiment)
    if dataset.endswith(".lmdb"):
        require("train", "lmdb")
        source = SourceConfig(lmdb=dataset)
    else:
        source = SourceConfig(dataset=dataset, folder=str(root), split=split)
    training = dataclasses.replace(config.training, root=".", sources=(source,))
    pairs = pair_dataset(dataclasses.replace(config, training=training))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_image(out, preview_pairs(pairs, seed, rows, columns))
    typer.echo(f"{out}: {rows * columns} pairs; green: the target, red: another one (negative)")
