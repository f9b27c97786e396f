"""Loaders of training pairs and validation sequences for Lightning, resumable at any step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from rgbt_track.config.tracker import Config
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.opencv import opencv_threads
from rgbt_track.pairs.sampler import PairBatches
from rgbt_track.pairs.sources import check_held_out, open_sequences, pair_dataset
from rgbt_track.processes import start_worker
from rgbt_track.training.lightning_internals import next_position, rank_and_world


class PairData(pl.LightningDataModule):
    """Training pairs from the sources, and ``sequences`` to validate on as a whole.

    Raises ``ValueError`` or ``OSError`` in one line for sources that cannot be opened.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.dataset = pair_dataset(config)
        self.sequences: list[Sequence] = [
            sequence
            for source in config.training.validation
            for sequence in open_sequences(source, config.training)
        ]
        check_held_out(self.dataset.sampler, self.sequences)

    def train_dataloader(self) -> PairLoader:
        """Pairs of this rank, from where the Trainer is."""
        training = self.config.training
        ranks = rank_and_world(self.trainer)
        batches = PairBatches(training.pairs_per_epoch, training.batch, *ranks)
        position = partial(next_position, self.trainer)
        return PairLoader(self.dataset, batches, training.workers, position)

    def val_dataloader(self) -> DataLoader[int] | list[Any]:
        """Numbers of the ``sequences`` that this rank tracks, one by one."""
        if not self.sequences:
            return []
        rank, world = rank_and_world(self.trainer)
        # Every rank must make as many validation steps: the last ones may repeat the first.
        count = -(-len(self.sequences) // world)
        numbers = [(rank + i * world) % len(self.sequences) for i in range(count)]
        return DataLoader(numbers, batch_size=None)  # type: ignore[arg-type]


class PairLoader:
    """A loader for exact resume: one iteration is an epoch, or the rest of an interrupted one.

    Args:
        dataset: maps (epoch, index) to an example.
        batches: keys of the batches.
        workers: loader processes.
        position: gives the epoch and the number of its steps that are done. Called at the first
            batch, since the Trainer makes the iterator before it has restored its own progress.
    """

    def __init__(
        self,
        dataset: Any,
        batches: PairBatches,
        workers: int,
        position: Callable[[], tuple[int, int]],
    ):
        self.batches = batches
        self._position = position
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=partial(_start_worker, os.getpid()),
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return self.batches.steps

    def __iter__(self) -> Iterator[Any]:
        self.batches.epoch, self.batches.start = self._position()
        # Workers are forked with one OpenCV thread set: a fork that changed their number would wait
        # for ever for the threads of its parent.
        with opencv_threads(1):
            iterator = iter(self._loader)
        yield from iterator

    def state_dict(self) -> dict[str, Any]:
        """Nothing, as the position is the Trainer's. It tells Lightning that a resume is exact."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``state_dict``."""


def _start_worker(parent: int, worker: int) -> None:
    start_worker(parent)
    if cv2.getNumThreads() != 1:  # a spawned worker
        cv2.setNumThreads(1)
    torch.set_num_threads(1)
