"""Callbacks of the Trainer: the last checkpoint, written often and whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback


class SaveLast(Callback):
    """Save ``path`` every ``every`` steps and at the end of every epoch, whole or not at all."""

    def __init__(self, path: Path, every: int):
        self.path = path
        self.every = every

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        done = trainer.fit_loop.epoch_loop.batch_progress
        complete = trainer.global_step % self.every == 0 and not done.is_last_batch
        if complete and not trainer.fit_loop._should_accumulate():
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        part = self.path.with_name(f".{self.path.name}.part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            os.replace(part, self.path)
