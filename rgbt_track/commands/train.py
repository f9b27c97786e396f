"""``rgbt-track train``: train an experiment, on this machine or as one process of many."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from rgbt_track.commands.options import AcceleratorName
from rgbt_track.commands.training.next_steps import resume_command, use_commands
from rgbt_track.config.experiments import find_experiment, read_task
from rgbt_track.config.image_fusion import ImageExperiment, load_image_experiment
from rgbt_track.config.overrides import read_values, setting_changes
from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.run_files import CHECKPOINTS, CONFIG, LAST, WEIGHTS
from rgbt_track.config.tracker import Config, load_experiment
from rgbt_track.config.training import Loggers, logger_names
from rgbt_track.image_fusion.training.vgg_features import STAND_IN
from rgbt_track.processes import exit_status
from rgbt_track.resources import require
from rgbt_track.training.lightning_internals import is_main_process
from rgbt_track.training.run_folder import was_requeued

AnyExperiment = Config | ImageExperiment


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

    Ctrl-C and SIGTERM end it after the step that is under way, with a checkpoint. --resume goes on
    with the settings of the run's folder, changed by those given here; so does a job that SLURM
    has requeued, without --resume.

    Example: `rgbt-track train lrrtrack_r50 training.root=~/data training.batch=16`
    """
    count = _devices(devices)
    config: AnyExperiment
    if read_task(find_experiment(experiment)) == "image_fusion":
        config = load_image_experiment(experiment, settings or [])
    else:
        config = load_experiment(experiment, settings or [])
    folder = out or Path("runs") / config.name
    resume = resume or was_requeued(folder)
    if resume and (folder / CONFIG).is_file():
        config = _resumed(folder, config, settings or [])
    options = {"resume": resume, "devices": count, "nodes": nodes, "accelerator": accelerator}
    try:
        if isinstance(config, ImageExperiment):
            _train_image_fusion(config, folder, options)
        else:
            _train_tracker(config, folder, options)
    except KeyboardInterrupt as error:
        if is_main_process():
            has_begun = (folder / CHECKPOINTS / LAST).is_file()
            remedy = "go on with --resume" if has_begun else "no checkpoint yet, so start again"
            typer.echo(f"stopped; {remedy}: {folder}", err=True)
            if has_begun:
                line = resume_command(
                    folder, experiment, settings or [], devices, nodes, accelerator
                )
                typer.echo(f"to go on: {line}", err=True)
        raise typer.Exit(exit_status(error)) from None
    if is_main_process():
        typer.echo(f"weights: {folder / WEIGHTS}")
        for line in use_commands(folder, config, find_experiment(experiment)):
            typer.echo(f"to use them: {line}")


def _resumed(folder: Path, given: AnyExperiment, settings: list[str]) -> AnyExperiment:
    """The settings of the run in a folder, changed by those given; prints every change.

    Raises ``ValueError`` for the folder of another experiment.
    """
    file = folder / CONFIG
    stored = read_values(file)
    if stored["name"] != given.name:
        raise ValueError(
            f"{folder}: holds a run of {stored['name']}, not of {given.name}; give another --out"
        )
    before = from_mapping(type(given), stored, str(file))
    config = from_mapping(type(given), read_values(file, settings), str(file))
    if is_main_process():
        for key, old, new in setting_changes(to_mapping(before), to_mapping(config)):
            typer.echo(f"changed: {key} was {old!r} in this run, from now on {new!r}", err=True)
    return config


def _train_tracker(config: Config, folder: Path, options: dict[str, Any]) -> None:
    require("train", "lightning", "lmdb", "matplotlib")
    _require_loggers(config.training.logger)
    quieten_lightning()
    from rgbt_track.training.run import train as run

    run(config, folder, **options, notify=partial(typer.echo, err=True))


def _train_image_fusion(config: ImageExperiment, folder: Path, options: dict[str, Any]) -> None:
    require("train", "lightning", "matplotlib")
    _require_loggers(config.training.logger)
    quieten_lightning()
    from rgbt_track.image_fusion.training.run import train_image_fusion

    if config.training.features == STAND_IN:
        typer.echo(
            "note: the losses compare an UNTRAINED VGG-16, as the experiment asks; "
            "the paper's are ImageNet's, training.features=vgg16",
            err=True,
        )
    train_image_fusion(config, folder, **options)


def _require_loggers(loggers: Loggers) -> None:
    """Refuse a logger that is not installed before any work."""
    for name in logger_names(loggers):
        if name != "csv":
            require("wandb" if name == "wandb" else "train", name)


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
