"""Implausible boxes of a sequence: not positive, outside the image, jumping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, xywh_to_cxcywh
from rgbt_track.data.sequence import Sequence

BoxIssue = tuple[Literal["error", "note"], str, NDArray[np.intp]]
_SLACK_PIXELS = 1.0
_JUMP_IN_BOXES = 3.0


def box_issues(sequence: Sequence, size: tuple[int, int] | None) -> Iterator[BoxIssue]:
    """Issues of a sequence's boxes: kind, description, and the frames (from 0) concerned.

    ``size`` (W, H) is that of the visible image, ``None`` where unknown. Boxes that reach over the
    edge and targets that jump occur in good releases and are notes.
    """
    boxes = sequence.boxes
    finite = np.isfinite(boxes).all(1)
    positive = finite & np.all(np.nan_to_num(boxes[:, 2:]) > 0, axis=1)
    yield "error", "without a positive size", np.flatnonzero(finite & ~positive & ~sequence.absent)
    yield "note", "marked absent", np.flatnonzero(sequence.absent)
    labelled = np.flatnonzero(sequence.labelled)
    if not len(labelled):
        return
    if size is not None:
        low, high = boxes[labelled, :2], boxes[labelled, :2] + boxes[labelled, 2:]
        outside = np.any((high <= 0) | (low >= size), axis=1)
        crossing = np.any((low < -_SLACK_PIXELS) | (high > np.array(size) + _SLACK_PIXELS), axis=1)
        yield "error", "wholly outside the image", labelled[outside]
        yield "note", "reaching outside the image", labelled[crossing & ~outside]
    yield "note", "far from the one before", labelled[1:][_jumps(boxes[labelled], labelled)]


def _jumps(boxes: Boxes, frames: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(N - 1,) whether the center moved by over three box diagonals between adjacent frames."""
    centers = xywh_to_cxcywh(boxes)
    distance = np.hypot(*np.diff(centers[:, :2], axis=0).T)
    diagonal = np.hypot(boxes[:-1, 2], boxes[:-1, 3])
    return (distance > _JUMP_IN_BOXES * diagonal) & (np.diff(frames) == 1)
