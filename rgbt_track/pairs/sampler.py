"""Which frames form a training pair, and in which order: drawn from (seed, epoch, index) alone.

SiamRPN++'s sampling: a template and a search frame of one target at most ``frame_range`` frames
apart, and a share of negatives, whose search crop is around another target. Because a draw depends
on nothing but three numbers, it is the same in every worker, on every rank and after a resume.

Step ``s`` of an epoch takes the next ``batch * world`` indices, a slice of ``batch`` to each rank:
so a run on two processes sees in each step what one process with twice the batch sees. Indices go
to the loader as (epoch, index) pairs, from which alone ``PairDataset`` draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Series
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.pairs.crop_store import Track, TrackStore

Key = tuple[int, int]
_TRIES = 16


@dataclass(frozen=True)
class CropAddress:
    """One stored crop: number of the source, of its track, and the position in the track."""

    source: int
    track: int
    position: int


@dataclass(frozen=True)
class PairDraw:
    """Template and search crop; a negative pair shows two targets.

    Where there is a ``background``, the search crop's target is pasted into it.
    """

    template: CropAddress
    search: CropAddress
    negative: bool
    background: CropAddress | None = None


def pair_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of all that is random about one pair."""
    return np.random.default_rng([seed, epoch, index])


class PairSampler:
    """Draws pairs from several stores by their weights.

    Within a source every track counts by the square root of its length: long sequences have more
    to teach, but their frames are alike.
    """

    def __init__(
        self,
        stores: Series[TrackStore],
        sources: Series[SourceConfig],
        negative: float = 0.2,
        paste: float = 0.0,
    ):
        self.stores = list(stores)
        self.sources = list(sources)
        self.negative = negative
        self.paste = paste
        self._of_sources = _shares([source.weight for source in sources])
        self._of_tracks = [
            _shares([len(track) ** 0.5 for track in store.tracks]) for store in self.stores
        ]

    def draw(self, rng: np.random.Generator) -> PairDraw:
        """One pair."""
        source, track = self._track(rng)
        about = self.stores[source].tracks[track]
        template = int(rng.integers(len(about)))
        address = CropAddress(source, track, template)
        if rng.random() < self.negative:
            other = self._other(rng, source, about)
            if other is not None:
                return PairDraw(address, other, True)
        near = self._near(rng, about, template, self.sources[source].frame_range)
        search = CropAddress(source, track, near)
        pasted = bool(self.paste) and about.has_mask and rng.random() < self.paste
        background = self._other(rng, source, about) if pasted else None
        return PairDraw(address, search, False, background)

    def _track(self, rng: np.random.Generator) -> tuple[int, int]:
        source = int(np.searchsorted(self._of_sources, rng.random(), side="right"))
        track = int(np.searchsorted(self._of_tracks[source], rng.random(), side="right"))
        return source, track

    def _other(self, rng: np.random.Generator, source: int, about: Track) -> CropAddress | None:
        """A crop that surely does not show the target; ``None`` when there is no other."""
        for _ in range(_TRIES):
            other, track = self._track(rng)
            found = self.stores[other].tracks[track]
            same_scene = other == source and (
                self.sources[source].one_video or found.group == about.group
            )
            if not same_scene:
                return CropAddress(other, track, int(rng.integers(len(found))))
        return None

    @staticmethod
    def _near(rng: np.random.Generator, track: Track, template: int, frame_range: int) -> int:
        frame = track.frames[template]
        low = int(np.searchsorted(track.frames, frame - frame_range, side="left"))
        high = int(np.searchsorted(track.frames, frame + frame_range, side="right"))
        return int(rng.integers(low, high))


def _shares(weights: Series[float]) -> NDArray[np.float64]:
    """Upper ends of the intervals of [0, 1) that the weights take."""
    ends = np.cumsum(np.asarray(weights, float))
    ends /= ends[-1]
    ends[-1] = np.inf
    return ends


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
