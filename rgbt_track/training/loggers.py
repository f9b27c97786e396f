"""The Trainer's loggers by the setting ``training.logger``."""

from __future__ import annotations

import os
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import Logger

from rgbt_track.config.run_files import METRICS
from rgbt_track.config.training import Loggers, logger_names
from rgbt_track.resources import require
from rgbt_track.training.metrics_file import MetricsFile

PROJECT = "rgbt-track"


def make_loggers(out: Path, loggers: Loggers) -> list[Logger]:
    """``metrics.csv`` in the run's folder, and what the setting names beside it.

    A run of W&B has the folder's name, in the project "rgbt-track" or that of ``WANDB_PROJECT``;
    one that is resumed is another run of the same group. ``WANDB_MODE=offline`` keeps it on disk.
    Raises ``ModuleNotFoundError`` with the extra of a logger that is not installed.
    """
    made: list[Logger] = [MetricsFile(out / METRICS)]
    for name in logger_names(loggers):
        if name == "tensorboard":
            require("train", "tensorboard")
            made.append(TensorBoardLogger(out, name="", version="log"))
        elif name == "wandb":
            made.append(_wandb(out))
    return made


def _wandb(out: Path) -> Logger:
    require("wandb", "wandb")
    from lightning.pytorch.loggers import WandbLogger

    project = os.environ.get("WANDB_PROJECT") or PROJECT
    return WandbLogger(name=out.name, group=out.name, project=project, save_dir=out)
