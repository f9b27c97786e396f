"""The part of ``rgbt-track info`` that is about image-fusion networks."""

from __future__ import annotations

from pathlib import Path

import typer
import yaml

from fusion_modules.image import IMAGE_NETWORKS
from rgbt_track.config.experiments import experiment_names
from rgbt_track.config.image_fusion import load_image_experiment
from rgbt_track.config.parsing import to_mapping
from rgbt_track.image_fusion.published import TABLE_7
from rgbt_track.image_fusion.thresholds import draw_thresholds, read_thresholds
from rgbt_track.models.image_networks import (
    build_image_network,
    load_image_network,
    shipped_image_weights,
    shipped_networks,
)
from rgbt_track.resources import WEIGHTS, require


def is_image_network(name: str) -> bool:
    """Whether a name is a shipped image-fusion experiment's."""
    return name in experiment_names("image_fusion")


def print_image_network(name: str, weights: Path | None, figure: Path | None) -> None:
    """Settings, parameters, learned thresholds and card of an image-fusion experiment.

    ``weights`` are shown instead of the shipped ones; ``figure`` is a PNG of the thresholds.
    """
    experiment = load_image_experiment(name)
    kind = experiment.network.name
    network = build_image_network(kind, experiment.network.args)
    typer.echo(yaml.safe_dump(to_mapping(experiment), sort_keys=False).rstrip())
    total = sum(parameter.numel() for parameter in network.parameters())
    beside = f" (Table 7 of the paper: {TABLE_7[kind]:,})" if kind in TABLE_7 else ""
    typer.echo(f"parameters: {total:,}{beside}")
    for part, module in network.named_children():
        typer.echo(f"  {part}: {sum(parameter.numel() for parameter in module.parameters()):,}")
    is_shipped = name in IMAGE_NETWORKS and name in shipped_networks()
    file = weights or (shipped_image_weights(name) if is_shipped else None)
    typer.echo(f"weights: {file.name if file else 'none shipped'}")
    if file is not None:
        stacks = read_thresholds(load_image_network(file))
        typer.echo("learned thresholds:" if stacks else "no thresholds: the network has no LLRR")
        for stack in stacks:
            typer.echo(f"  {stack}")
        if figure is not None and stacks:
            require("plots", "matplotlib")
            draw_thresholds(stacks, figure)
            typer.echo(f"thresholds in {figure}")
    card = WEIGHTS / f"{name}.md"
    if weights is None and card.is_file():
        typer.echo("\n" + card.read_text(encoding="utf-8"))
