"""Ending a training at a signal: after the step that is under way, with a checkpoint of it.

SIGTERM (SLURM, ``docker stop``) and Ctrl-C are taken note of and obeyed between two steps, where a
resumed run goes on exactly. A second Ctrl-C ends the run at once, with the checkpoint before. Under
SLURM so is the signal that it sends before the time limit (``--signal=SIGUSR1@90``), after which
the job is requeued by Lightning's own handler.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch

from rgbt_track.processes import Stopped


class RunStopped(BaseException):
    """The end of a run whose checkpoint is written; no exception of Lightning's, nor an error."""


class StopSignal:
    """The first signal that has come since ``listen``; of all processes of a run together."""

    def __init__(self) -> None:
        self.number = 0
        self._is_interrupted = False  # by a first Ctrl-C, in this process
        self._requeue: Any = None

    def listen(self) -> None:
        """Take the handlers' place; Lightning gives them back when the training ends.

        Under SLURM, Lightning's own handler of the signal before the time limit is kept, to be
        called between two steps: it saves a checkpoint and requeues the job.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        if hasattr(signal, "SIGUSR1") and "SLURM_JOB_ID" in os.environ:
            handler = signal.getsignal(signal.SIGUSR1)
            if callable(handler):
                self._requeue = handler
                signal.signal(signal.SIGUSR1, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._is_interrupted:
                raise KeyboardInterrupt
            self._is_interrupted = True
        self.number = self.number or number

    def has_come(self, trainer: pl.Trainer) -> bool:
        """Whether any process of the run has got a signal; to be called by all of them.

        All then know its number, so that they do the same.
        """
        if trainer.world_size > 1:
            number = torch.tensor(self.number, device=trainer.strategy.root_device)
            self.number = int(trainer.strategy.reduce(number, reduce_op="max"))
        return self.number != 0

    def obey(self, trainer: pl.Trainer) -> None:
        """End the run: raises ``RunStopped``."""
        if self._requeue is not None and self.number == signal.SIGUSR1:
            self._requeue(self.number, None)
            if trainer.is_global_zero:
                # Lightning's own checkpoint is of the same step as ours, which is resumed from.
                for copy in Path(trainer.default_root_dir).glob("hpc_ckpt_*.ckpt"):
                    copy.unlink()
        raise RunStopped


@contextlib.contextmanager
def as_interruption(stop: StopSignal) -> Iterator[None]:
    """Around Lightning's ``fit``: a run that a signal has ended raises what commands expect.

    That is ``Stopped`` after SIGTERM and ``KeyboardInterrupt`` after Ctrl-C, for which Lightning
    itself would leave the program.
    """
    try:
        yield
    except (RunStopped, SystemExit):
        is_key = stop.number in (0, signal.SIGINT)
        raise (KeyboardInterrupt if is_key else Stopped) from None
