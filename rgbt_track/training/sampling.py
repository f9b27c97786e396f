"""The order of training pairs: the same on any number of processes, and resumable mid-epoch.

Step ``s`` of an epoch takes the next ``batch * world`` indices, a slice of ``batch`` to each rank:
so a run on two processes sees in each step what one process with twice the batch sees. Indices go
to the loader as (epoch, index) pairs, from which alone ``PairDataset`` draws.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from rgbt_track.data.pairs import Key


class PairBatches(Sampler[list[Key]]):
    """Batches of (epoch, index) of this rank; ``start`` skips what a resumed epoch has done."""

    def __init__(self, pairs_per_epoch: int, batch: int, rank: int = 0, world: int = 1):
        self.steps = pairs_per_epoch // (batch * world)
        if self.steps < 1:
            raise ValueError(
                f"pairs_per_epoch {pairs_per_epoch} is less than one step of batch {batch} on "
                f"{world} processes"
            )
        self.batch, self.rank, self.world = batch, rank, world
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, start = self.epoch, self.start
        for step in range(start, self.steps):
            first = (step * self.world + self.rank) * self.batch
            yield [(epoch, index) for index in range(first, first + self.batch)]
