"""Which cells of an anchor-free head are taught what, by where they lie in the target.

Cells in the middle of the box are target, cells outside of the box background, and cells between
the two are left out, as a box says little about its rim. Every cell knows the offsets to the box.
Nothing here is random; the generator is taken so that all assignments are called alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import anchor_boxes, encode_offsets
from rgbt_track.pairs.anchor_targets import Targets

_MIDDLE = 0.25  # of the box's width and height, to either side of its center
_INSIDE = 0.5


class PointTargets:
    """Assigns the cells of one response map to a target; see ``AnchorTargets`` for the form."""

    def __init__(self, anchors: AnchorConfig, response_size: int):
        self.anchors = anchor_boxes(anchors, response_size).astype(np.float64)
        self.shape = (1, response_size, response_size)
        self._stride = anchors.stride

    def assign(self, box_cxcywh: ArrayLike, negative: bool, rng: np.random.Generator) -> Targets:
        """Targets for one search crop; the box is relative to the crop's center, in its pixels.

        The nearest cell is target even where a small box has no cell in its middle, unless the box
        lies outside of the response. A negative pair has background alone.
        """
        box = np.asarray(box_cxcywh, float)
        offsets = encode_offsets(box, self.anchors)
        loc = offsets.T.reshape(4, *self.shape).astype(np.float32)
        if negative:
            return Targets(self.all_background(rng), loc)
        distance = np.abs(self.anchors[:, :2] - box[:2])
        share = distance / box[2:]
        labels = np.where((share < _INSIDE).all(1), -1, 0).astype(np.int8)
        labels[(share < _MIDDLE).all(1)] = 1
        nearest = int(np.argmin(distance.max(1)))
        if (distance[nearest] <= self._stride).all():
            labels[nearest] = 1
        return Targets(labels.reshape(self.shape), loc)

    def all_background(self, rng: np.random.Generator) -> NDArray[np.int8]:
        """Labels (1, S, S) of a crop that shows no target."""
        return np.zeros(self.shape, np.int8)
