"""``rgbt-track train``: train an experiment, on this machine or as one process of many."""

from __future__ import annotations

from pathlib import Path

import typer


def train(
    experiment: str = typer.Argument(help="An experiment's YAML, or the name of a shipped one."),
    settings: list[str] = typer.Argument(None, help="Settings to change, as key.key=value."),
    out: Path = typer.Option(None, help="The run folder; runs/NAME without it."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the folder's last checkpoint."),
    devices: str = typer.Option("auto", help="GPUs (or processes on the CPU) per machine."),
    nodes: int = typer.Option(1, help="How many machines, under torchrun or SLURM."),
    accelerator: str = typer.Option("auto", help="auto, cpu, gpu or mps."),
) -> None:
    """Train a tracker; under torchrun or SLURM on many GPUs and machines.

    Example: `rgbt-track train lrrtrack_r50 training.root=~/data training.batch=16`
    """
    from rgbt_track.extras import require
    from rgbt_track.training.overrides import load_experiment

    config = load_experiment(experiment, settings or [])
    require("train", "lightning", "tensorboard", "lmdb", "matplotlib")
    from rgbt_track.training.run import train as run

    weights = run(
        config,
        out or Path("runs") / config.name,
        resume=resume,
        devices=int(devices) if devices.isdecimal() else devices,
        nodes=nodes,
        accelerator=accelerator,
    )
    typer.echo(f"weights: {weights}")
    typer.echo(f"track with them: rgbt-track track --tracker {experiment} --weights {weights} ...")
