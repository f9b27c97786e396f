"""A callback of the Trainer: the last checkpoint, saved often, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from rgbt_track.io.files import atomic_path
from rgbt_track.training.lightning_internals import is_between_steps
from rgbt_track.training.stopping import StopSignal


class SaveLast(Checkpoint):
    """Save ``path`` every ``every`` steps and at the end of every epoch, whole or not at all.

    As a ``Checkpoint`` it comes after all other callbacks, and it has to be the last of these: what
    they change at the end of a step, such as averaged weights, or which checkpoint is the best, is
    saved with it. After a signal it saves at the end of the step, and ends the run.
    """

    def __init__(self, path: Path, every: int, stop: StopSignal):
        self.path = path
        self.every = every
        self.stop = stop
        self._is_saved = False  # and the run is to end

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stop.listen()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        stop = self.stop.has_come(trainer)
        if not is_between_steps(trainer):
            return
        if stop or trainer.global_step % self.every == 0:
            self._save(trainer)
        self._is_saved = stop

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)
        self._is_saved = self.stop.has_come(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._end()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self._end()

    def _end(self) -> None:
        """End the run if its state is saved: now that the loggers have the last step, too."""
        if self._is_saved:
            self.stop.obey()

    def _save(self, trainer: pl.Trainer) -> None:
        if not trainer.is_global_zero:  # takes part in the saving, and writes nothing
            trainer.save_checkpoint(self.path)
            return
        with atomic_path(self.path) as part:
            trainer.save_checkpoint(part)
