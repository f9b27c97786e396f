"""``rgbt-track info``: versions, devices, shipped trackers and a tracker's card."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import torch
import typer
import yaml

from rgbt_track import __version__
from rgbt_track.commands.info_image import is_image_network, print_image_network
from rgbt_track.config.experiments import experiment_names
from rgbt_track.config.parsing import to_mapping
from rgbt_track.models.build import build_network
from rgbt_track.models.engines.exported import is_export
from rgbt_track.models.image_networks import shipped_networks
from rgbt_track.resources import WEIGHTS, default_tracker, installed_version
from rgbt_track.tracking.loading import check_own_classes, own_weights, read_config

_PACKAGES = (
    "torch",
    "torchvision",
    "opencv-python",
    "numpy",
    "vot-toolkit",
    "vot-trax",
    "lightning",
)


def info(
    name: Annotated[
        str | None, typer.Argument(help="A tracker or an image network: settings and card.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="An image network's weights instead of the shipped ones.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="A PNG of an image network's learned thresholds.")
    ] = None,
) -> None:
    """Print versions, devices and shipped networks, or all about one of them.

    Example: `rgbt-track info lrrtrack_lite`
    """
    is_image = name is not None and is_image_network(name)
    if not is_image and (weights or figure):
        raise ValueError("--weights and --figure are for image networks, for instance lrrnet")
    if name is None:
        _print_installation()
    elif is_image:
        print_image_network(name, weights, figure)
    else:
        _print_tracker(name)


def _print_installation() -> None:
    typer.echo(f"rgbt-track {__version__}, Python {platform.python_version()}, {platform.system()}")
    for package in _PACKAGES:
        typer.echo(f"  {package} {installed_version(package) or 'not installed'}")
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    typer.echo(
        f"devices: cpu ({torch.get_num_threads()} threads)" + "".join(f", {gpu}" for gpu in gpus)
    )
    typer.echo("trackers:")
    for tracker in experiment_names("tracking"):
        shipped = (WEIGHTS / f"{tracker}.safetensors").is_file()
        marks = [" (weights shipped)"] * shipped + [" (default)"] * (tracker == default_tracker())
        typer.echo(f"  {tracker}{''.join(marks)}")
    typer.echo("image networks with weights: " + ", ".join(shipped_networks()))


def _print_tracker(name: str) -> None:
    config = read_config(name)
    if is_export(name):
        check_own_classes(config, name)
    network = build_network(config.model, seed=0)
    total = sum(parameter.numel() for parameter in network.parameters())
    typer.echo(yaml.safe_dump(to_mapping(config), sort_keys=False).rstrip())
    typer.echo(f"parameters: {total / 1e6:.2f} million")
    for part, module in network.named_children():
        count = sum(parameter.numel() for parameter in module.parameters())
        typer.echo(f"  {part}: {count / 1e6:.3f} million")
    weights = own_weights(config, name)
    typer.echo(f"weights: {weights.name if weights else 'none shipped'}")
    card = WEIGHTS / f"{config.name}.md"
    if card.is_file():
        typer.echo("\n" + card.read_text(encoding="utf-8"))
