"""The checkpoints of a run: the last one, saved often, and the best ones of the validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from rgbt_track.io.files import atomic_path
from rgbt_track.training.lightning_internals import is_between_steps
from rgbt_track.training.stopping import StopSignal

_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")  # in ModelCheckpoint's state


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
        self._end(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self._end(trainer)

    def _end(self, trainer: pl.Trainer) -> None:
        """End the run if its state is saved: now that the loggers have the last step, too."""
        if self._is_saved:
            self.stop.obey(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        if not trainer.is_global_zero:  # takes part in the saving, and writes nothing
            trainer.save_checkpoint(self.path)
            return
        with atomic_path(self.path) as part:
            trainer.save_checkpoint(part)


class SaveBest(ModelCheckpoint):
    """Lightning's ``ModelCheckpoint``, which knows its files by name, wherever the folder lies.

    So a run goes on as it was in a folder that was moved. Files that are gone are forgotten.
    """

    @property
    def state_key(self) -> str:
        """Lightning's own key, by which a checkpoint of its class is known, too."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        scores = {Path(path).name: score for path, score in state["best_k_models"].items()}
        names = {key: Path(state[key]).name for key in _PATHS}
        return {**state, **names, "best_k_models": scores, "dirpath": ""}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = Path(str(self.dirpath))
        files = {str(folder / Path(path).name): path for path in state_dict["best_k_models"]}
        scores = {
            file: state_dict["best_k_models"][path]
            for file, path in files.items()
            if Path(file).is_file()
        }
        paths = dict.fromkeys(_PATHS, "")
        best, worst = (max, min) if self.mode == "max" else (min, max)
        state = {**state_dict, **paths, "best_k_models": scores, "dirpath": self.dirpath}
        if scores:
            state["kth_best_model_path"] = worst(scores, key=lambda file: scores[file])
            state["best_model_path"] = best(scores, key=lambda file: scores[file])
            state["kth_value"] = scores[state["kth_best_model_path"]]
            state["best_model_score"] = scores[state["best_model_path"]]
        super().load_state_dict(state)
