"""Loaders of training pairs and validation sequences for Lightning, resumable at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from rgbt_track.config.tracker import Config
from rgbt_track.data.sequence import Sequence
from rgbt_track.pairs.sampler import PairBatches
from rgbt_track.pairs.sources import check_held_out, open_sequences, pair_dataset
from rgbt_track.threads import use_threads


class PairData(pl.LightningDataModule):
    """Training pairs from the sources, validation sequences whole.

    The position within an epoch is the Trainer's count of steps, not of batches fetched ahead, so
    that a checkpoint written between two steps knows what comes next.
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
        training, trainer = self.config.training, self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batches = PairBatches(training.pairs_per_epoch, training.batch, rank, world)
        return PairLoader(self.dataset, batches, training.workers, self._position)

    def _position(self) -> tuple[int, int]:
        """Epoch and step in it that come next: the Trainer's own count, also after a resume."""
        if self.trainer is None:
            return 0, 0
        loop = self.trainer.fit_loop
        return self.trainer.current_epoch, loop.epoch_loop.batch_progress.current.ready

    def val_dataloader(self) -> DataLoader[int] | list[Any]:
        """Numbers of the ``sequences`` that this rank tracks, one by one."""
        if not self.sequences:
            return []
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        # Every rank must make as many validation steps: the last ones may repeat the first.
        count = -(-len(self.sequences) // world)
        mine = [(rank + i * world) % len(self.sequences) for i in range(count)]
        return DataLoader(mine, batch_size=None)  # type: ignore[arg-type]


class PairLoader:
    """A loader that asks where to begin: one iteration is an epoch, or what is left of it.

    ``dataset`` maps (epoch, index) to an example. ``position`` gives the epoch and the steps of it
    that are done. It is asked at the first batch, since the Trainer makes the iterator before it
    has restored its own progress.
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
            worker_init_fn=_one_thread,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return self.batches.steps

    def __iter__(self) -> Iterator[Any]:
        self.batches.epoch, self.batches.start = self._position()
        yield from self._loader

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the position is the Trainer's. That it exists says that a resume is exact."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``state_dict``."""


def _one_thread(worker: int) -> None:
    use_threads(1)
