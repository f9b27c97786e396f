"""What the package needs of Lightning beyond its documented interface, in one place.

``setup.cfg`` bounds Lightning's version by what this module was tested with: read it again before
the bound is raised.
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_only

IN_PROGRESS_BAR: dict[str, Any] = {"prog_bar": True, "logger": False}
"""Arguments of a module's ``log`` for a number that is shown and not stored."""


def next_position(trainer: pl.Trainer | None) -> tuple[int, int]:
    """Epoch and step in it that come next: the Trainer's own count, also after a resume.

    The count of steps, unlike that of batches fetched ahead, says what a checkpoint holds.
    """
    if trainer is None:
        return 0, 0
    return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.ready


def is_between_steps(trainer: pl.Trainer) -> bool:
    """Whether an optimizer step ends with this batch, and the epoch does not."""
    is_last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
    return not is_last and not trainer.fit_loop._should_accumulate()


def progress(trainer: pl.Trainer) -> float:
    """The share of the run's optimizer steps that is done, 0..1."""
    return trainer.global_step / max(float(trainer.estimated_stepping_batches), 1.0)


def current_epoch(module: pl.LightningModule) -> int:
    """The epoch that a module is in; 0 outside of a training."""
    return module.current_epoch if module._trainer is not None else 0


def rank_and_world(trainer: pl.Trainer | None) -> tuple[int, int]:
    """The number of this process, and how many there are."""
    return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)


def is_main_process() -> bool:
    """Whether this process has rank 0, also before and after a training."""
    return getattr(rank_zero_only, "rank", 0) == 0
