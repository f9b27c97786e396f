"""``rgbt-track train``: train an experiment, on this machine or as one process of many."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.options import AcceleratorName
from rgbt_track.config.experiments import find_experiment, read_task
from rgbt_track.config.image_fusion import load_image_experiment
from rgbt_track.config.tracker import load_experiment
from rgbt_track.image_fusion.training.vgg_features import STAND_IN
from rgbt_track.resources import require
from rgbt_track.training.lightning_internals import is_main_process


def train(
    experiment: Annotated[
        str, typer.Argument(help="An experiment's YAML, or the name of a shipped one.")
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as key.key=value.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME without it.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
    devices: Annotated[
        str, typer.Option(help="GPUs (or processes on the CPU) per machine.")
    ] = "auto",
    nodes: Annotated[int, typer.Option(help="How many machines, under torchrun or SLURM.")] = 1,
    accelerator: AcceleratorName = "auto",
) -> None:
    """Train a tracker or an image-fusion network; under torchrun or SLURM on many machines.

    Example: `rgbt-track train lrrtrack_r50 training.root=~/data training.batch=16`
    """
    count = _devices(devices)
    if read_task(find_experiment(experiment)) == "image_fusion":
        _train_image_fusion(experiment, settings or [], out, resume, count, nodes, accelerator)
        return
    config = load_experiment(experiment, settings or [])
    require("train", "lightning", "tensorboard", "lmdb", "matplotlib")
    quieten_lightning()
    from rgbt_track.training.run import train as run

    weights = run(
        config,
        out or Path("runs") / config.name,
        resume=resume,
        devices=count,
        nodes=nodes,
        accelerator=accelerator,
        notify=partial(typer.echo, err=True),
    )
    if is_main_process():
        typer.echo(f"weights: {weights}")
        typer.echo(f"to use them: rgbt-track track --tracker {experiment} --weights {weights} ...")


def quieten_lightning() -> None:
    """Show the warnings of Lightning, not its tips; importing it sets the log level."""
    import lightning.pytorch

    logging.getLogger(lightning.pytorch.__name__).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")


def _devices(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"--devices is {text!r}; expected auto or a number of devices")
    return int(text)


def _train_image_fusion(
    experiment: str,
    settings: list[str],
    out: Path | None,
    resume: bool,
    devices: int | str,
    nodes: int,
    accelerator: str,
) -> None:
    config = load_image_experiment(experiment, settings)
    require("train", "lightning", "tensorboard", "matplotlib")
    quieten_lightning()
    from rgbt_track.image_fusion.training.run import train_image_fusion

    if config.training.features == STAND_IN:
        typer.echo(
            "note: the losses compare an UNTRAINED VGG-16, as the experiment asks; "
            "the paper's are ImageNet's, training.features=vgg16",
            err=True,
        )
    weights = train_image_fusion(
        config,
        out or Path("runs") / config.name,
        resume=resume,
        devices=devices,
        nodes=nodes,
        accelerator=accelerator,
    )
    if is_main_process():
        typer.echo(f"weights: {weights}")
        typer.echo(f"fuse with them: rgbt-track fuse --weights {weights} --rgb SRC --tir SRC OUT")
