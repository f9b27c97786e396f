"""Which frames form a training pair, and in which order: drawn from (seed, epoch, index) alone.

SiamRPN++'s sampling: a template and a search frame of one target at most ``frame_range`` frames
apart, and a share of negatives, whose search crop is around another target. Because a draw depends
on nothing but three numbers, it is the same in every worker, on every rank and after a resume.

Step ``s`` of an epoch takes the next ``batch * world`` indices, a slice of ``batch`` to each rank:
so two processes process in each step what one process with twice the batch does. Indices go to the
loader as (epoch, index) pairs, from which alone ``PairDataset`` draws.

The order of random draws is part of the format: a seed must give the same pairs in every version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Series
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from rgbt_track.config.pairs import SourceConfig
from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.crop_store import Track, TrackStore

Key = tuple[int, int]
_MAX_TRIES = 16
_FIRST_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class CropAddress:
    """One stored crop: number of the source, of its track, and the position in the track."""

    source: int
    track: int
    position: int


@dataclass(frozen=True)
class PairDraw:
    """The crops of a pair.

    Args:
        template: the crop of the target.
        search: the crop to find it in; of a negative pair, the crop of another target.
        negative: whether it is a negative pair.
        background: another scene that the search crop's target is pasted into, if any.
        pasted_object: an object pasted into both crops as their target, if any.
        distractor: an object pasted beside the target of the search crop, if any.
    """

    template: CropAddress
    search: CropAddress
    negative: bool
    background: CropAddress | None = None
    pasted_object: CropAddress | None = None
    distractor: CropAddress | None = None


def pair_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of all that is random about one pair."""
    return np.random.default_rng([seed, epoch, index])


class PairSampler:
    """Draws pairs from several stores by their weights.

    Within a source every track counts by the square root of its length: long sequences have more
    to teach, but their frames are alike.

    Args:
        stores: one per source.
        sources: weight, frame range and kind of each store.
        negative: probability of a negative pair.
        lookalike: probability that a negative pair's other target comes from the same source, where
            it is likely to be of its kind.
        paste: probability that a target with a mask is pasted into another scene.
        paste_objects: probability that an object of a source of objects takes the target's place,
            in a scene of both modalities.
        distractors: probability that such an object is pasted beside the target.

    Raises ``ValueError`` when there is nothing to draw, or no object although some are to be
    pasted.
    """

    def __init__(
        self,
        stores: Series[TrackStore],
        sources: Series[SourceConfig],
        negative: float = 0.2,
        paste: float = 0.0,
        lookalike: float = 0.0,
        paste_objects: float = 0.0,
        distractors: float = 0.0,
    ):
        self.stores = list(stores)
        self.sources = list(sources)
        self.negative = negative
        self.paste = paste
        self.lookalike = lookalike
        self.paste_objects = paste_objects
        self.distractors = distractors
        if all(source.objects for source in sources):
            raise ValueError("all training.sources are objects to paste: none is left to draw from")
        self._source_shares = _cumulative_shares(
            [0.0 if source.objects else source.weight for source in sources]
        )
        self._objects = self._find_objects()
        self._track_shares = [
            _cumulative_shares([len(track) ** 0.5 for track in store.tracks])
            for store in self.stores
        ]

    def draw(self, rng: np.random.Generator) -> PairDraw:
        """One pair."""
        source, number = self._draw_track(rng)
        track = self.stores[source].tracks[number]
        position = int(rng.integers(len(track)))
        template = CropAddress(source, number, position)
        if rng.random() < self.negative:
            is_lookalike = bool(self.lookalike) and rng.random() < self.lookalike
            within = source if is_lookalike else None
            other_target = self._draw_other_target(rng, source, track, within)
            if other_target is not None:
                return PairDraw(template, other_target, True)
        # A search frame of the same target, near in frame numbers.
        frame, frame_range = track.frames[position], self.sources[source].frame_range
        low = int(np.searchsorted(track.frames, frame - frame_range, side="left"))
        high = int(np.searchsorted(track.frames, frame + frame_range, side="right"))
        search = CropAddress(source, number, int(rng.integers(low, high)))
        # A background to paste the target into.
        is_pasted = bool(self.paste) and track.has_mask and rng.random() < self.paste
        background = self._draw_other_target(rng, source, track) if is_pasted else None
        # An object in the target's place, and another one beside it.
        pasted_object = distractor = kind = None
        is_scene = len(track.modalities) == len(MODALITIES) and background is None
        if self.paste_objects and is_scene and rng.random() < self.paste_objects:
            pasted_object, kind = self._draw_object(rng)
        if self.distractors and rng.random() < self.distractors:
            distractor, _ = self._draw_object(rng, kind)
        return PairDraw(template, search, False, background, pasted_object, distractor)

    def _find_objects(self) -> list[tuple[int, int, str]]:
        """Number of the source, number of the track, and kind of every object to paste."""
        objects = [
            (source, number, _FIRST_DIGIT.split(track.name)[0])
            for source, config in enumerate(self.sources)
            if config.objects
            for number, track in enumerate(self.stores[source].tracks)
        ]
        if (self.paste_objects or self.distractors) and not objects:
            raise ValueError(
                "paste_objects and distractors need a source with 'objects: true' in "
                "training.sources"
            )
        return objects

    def _draw_object(
        self, rng: np.random.Generator, kind: str | None = None
    ) -> tuple[CropAddress, str]:
        """An object, of this kind where one is given, and its kind."""
        objects = [each for each in self._objects if kind in (None, each[2])]
        source, number, kind = objects[int(rng.integers(len(objects)))]
        length = len(self.stores[source].tracks[number])
        return CropAddress(source, number, int(rng.integers(length))), kind

    def _draw_track(self, rng: np.random.Generator, source: int | None = None) -> tuple[int, int]:
        """Numbers of a source, unless it is given, and of one of its tracks."""
        if source is None:
            source = int(np.searchsorted(self._source_shares, rng.random(), side="right"))
        track = int(np.searchsorted(self._track_shares[source], rng.random(), side="right"))
        return source, track

    def _draw_other_target(
        self, rng: np.random.Generator, source: int, track: Track, within: int | None = None
    ) -> CropAddress | None:
        """A crop that surely does not show the target; ``None`` when there is none.

        ``within`` is the number of the source it has to come from, if any.
        """
        for _ in range(_MAX_TRIES):
            other_source, number = self._draw_track(rng, within)
            candidate = self.stores[other_source].tracks[number]
            same_scene = other_source == source and (
                self.sources[source].one_video or candidate.group == track.group
            )
            if not same_scene:
                return CropAddress(other_source, number, int(rng.integers(len(candidate))))
        return None


def _cumulative_shares(weights: Series[float]) -> NDArray[np.float64]:
    """Upper ends of the intervals of [0, 1) that the weights take."""
    ends = np.cumsum(np.asarray(weights, float))
    ends /= ends[-1]
    ends[-1] = np.inf
    return ends


class PairBatches(Sampler[list[Key]]):
    """Batches of (epoch, index) of this rank.

    ``epoch`` and ``start`` are set before each epoch; ``start`` is the number of steps that a
    resumed epoch has already done.

    Args:
        pairs_per_epoch: of all ranks together.
        batch: pairs per batch of one rank.
        rank: number of this process.
        world: number of processes.
    """

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
