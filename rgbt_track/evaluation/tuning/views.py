"""One tracker run over a sequence: from label to label, either way, one modality or both."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes
from rgbt_track.data.annotations import Annotation
from rgbt_track.data.sequence import Frame, Sequence
from rgbt_track.modalities import MODALITIES


class FrameCache:
    """Keeps decoded frames in memory, so that running them again reads no file.

    Args:
        max_bytes: the frames that came first stay until it is full, the others are read each time:
            repeated passes over all sequences would never hit a cache that drops the oldest.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes
        self._frames: dict[tuple[Sequence, int], Frame] = {}

    def read(self, sequence: Sequence, index: int) -> Frame:
        """Frame ``index`` of a sequence, as ``sequence.frame`` gives it; not to be written to."""
        key = (sequence, index)
        if key in self._frames:
            return self._frames[key]
        frame = sequence.frame(index)
        size = sum(image.nbytes for image in frame if image is not None)
        if size <= self._free:
            self._frames[key] = frame
            self._free -= size
        return frame


@dataclass(frozen=True, eq=False)
class SequenceView:
    """One run of a tracker over a sequence, from its first labelled frame to its last.

    Args:
        sequence: the frames and their labels.
        modalities: those that are passed to the tracker.
        backward: from the last labelled frame to the first, as the VOT challenges run some anchors.
        limit: at most as many frames; 0 for all.
        cache: where decoded frames are kept.

    Raises:
        ValueError: fewer than two labelled frames within the limit, or none of the modalities.
    """

    sequence: Sequence
    modalities: tuple[str, ...] = MODALITIES
    backward: bool = False
    limit: int = 0
    cache: FrameCache = field(default_factory=lambda: FrameCache(0), repr=False)
    indices: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        labelled = np.flatnonzero(self.sequence.labelled)
        if self.backward:
            labelled = labelled[::-1]
        if self.limit and len(labelled):
            labelled = labelled[np.abs(labelled - labelled[0]) < self.limit]
        if len(labelled) < 2:
            raise ValueError(
                f"{self.sequence.name}: {len(labelled)} labelled frames to run on; two are needed"
            )
        if not any(getattr(self.sequence, name) is not None for name in self.modalities):
            raise ValueError(f"{self.sequence.name}: no frames of {' and '.join(self.modalities)}")
        step = -1 if self.backward else 1
        indices = np.arange(labelled[0], labelled[-1] + step, step)
        object.__setattr__(self, "indices", indices)

    @property
    def name(self) -> str:
        return f"{self.sequence.name} backward" if self.backward else self.sequence.name

    @property
    def boxes(self) -> Boxes:
        """(N, 4) x, y, w, h in the order of the run; NaN rows where the target is not labelled."""
        boxes = np.where(self.sequence.labelled[:, None], self.sequence.boxes, np.nan)
        return boxes[self.indices]

    @property
    def annotation(self) -> Annotation:
        """The labels in the order of the run."""
        return Annotation(self.boxes, self.sequence.absent[self.indices])

    def __len__(self) -> int:
        return len(self.indices)

    def frame(self, index: int) -> Frame:
        """Frame ``index`` of the run; ``None`` for a modality that is not passed to the tracker."""
        rgb, tir = self.cache.read(self.sequence, int(self.indices[index]))
        return (
            rgb if "rgb" in self.modalities else None,
            tir if "tir" in self.modalities else None,
        )
