"""A callback of the Trainer: the last checkpoint, saved often, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from rgbt_track.io.files import atomic_path
from rgbt_track.training.lightning_internals import is_between_steps


class SaveLast(Checkpoint):
    """Save ``path`` every ``every`` steps and at the end of every epoch, whole or not at all.

    As a ``Checkpoint`` it comes after all other callbacks: what they change at the end of a step,
    such as averaged weights, is saved with it.
    """

    def __init__(self, path: Path, every: int):
        self.path = path
        self.every = every

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        if trainer.global_step % self.every == 0 and is_between_steps(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        if not trainer.is_global_zero:  # takes part in the saving, and writes nothing
            trainer.save_checkpoint(self.path)
            return
        with atomic_path(self.path) as part:
            trainer.save_checkpoint(part)
