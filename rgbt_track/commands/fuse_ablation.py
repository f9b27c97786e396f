"""``rgbt-track fuse-ablation``: train variants of an image-fusion network and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.options import AcceleratorName
from rgbt_track.commands.train import quieten_lightning
from rgbt_track.image_fusion.metric_table import MetricTable
from rgbt_track.image_fusion.training.ablation import (
    find_variants,
    score_network,
    train_variant,
    vary,
)
from rgbt_track.resources import require


def fuse_ablation(
    pairs: Annotated[
        Path, typer.Argument(help="Pairs to train on: a folder with color/ and ir/ (or several).")
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Settings for all variants, as key.key=value.")
    ] = None,
    experiments: Annotated[
        Path | None, typer.Option(help="A folder of YAMLs; LRRNet's ablations without it.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Pairs to score on; those of the training without it.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Score on the first N pairs only; 0 for all.")] = 0,
    out: Annotated[Path, typer.Option(help="A run folder per variant in it.")] = Path(
        "runs/fuse_ablation"
    ),
    only: Annotated[
        list[str] | None, typer.Option(help="Names of variants; may be repeated.")
    ] = None,
    vary_settings: Annotated[
        list[str] | None,
        typer.Option("--vary", help="key=v,v,...: a run for each value; may be repeated."),
    ] = None,
    accelerator: AcceleratorName = "auto",
) -> None:
    """Train variants on a folder of pairs and print a table like LRRNet's Tables 3 and 4.

    The loss's factors are compared by --vary, as in the authors' search: --only blocks4
    --vary training.loss.middle_infrared=1,2,3,4,5,6 --vary training.loss.shallow=0.1,0.5,1,1.5,2

    A variant whose run folder has its weights is not trained again, an interrupted one goes on.

    Example: `rgbt-track fuse-ablation RoadScene/ --test TNO/ training.epochs=1`
    """
    require("train", "lightning", "tensorboard", "matplotlib")

    quieten_lightning()
    variants = vary(find_variants(experiments, only or []), vary_settings or [])
    table = MetricTable()
    for name, (path, varied) in variants.items():
        typer.echo(f"{name} ({len(table.rows) + 1} of {len(variants)})", err=True)
        weights = train_variant(path, pairs, out / name, [*varied, *(settings or [])], accelerator)
        table.add(name, score_network(weights, test or pairs, limit))
        table.write_csv(out / "ablation.csv", mean=False)
    table.print(heading="variant", mean=False)
    typer.echo(f"table in {out / 'ablation.csv'}")
