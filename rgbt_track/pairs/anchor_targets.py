"""Which anchors are taught what: pysot's assignment (SiamRPN++), with its random choice seeded.

Anchors that overlap the target by more than ``positive_iou`` are target, by less than
``negative_iou`` background; of both only some are used, so that background does not drown the rest.
Offsets are SiamRPN's: centre in anchor sides, size in logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import Boxes, cxcywh_to_xywh, iou_xywh
from rgbt_track.config.pairs import TargetConfig
from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import anchor_boxes, encode_offsets


@dataclass(frozen=True, eq=False)
class Targets:
    """``labels`` (k, S, S) int8: 1, 0, or -1 for not used; ``loc`` (4, k, S, S) float32."""

    labels: NDArray[np.int8]
    loc: NDArray[np.float32]


class AnchorTargets:
    """Assigns the anchors of one response map to a target."""

    def __init__(self, config: TargetConfig, anchors: AnchorConfig, response_size: int):
        self.config = config
        self.anchors = anchor_boxes(anchors, response_size).astype(np.float64)
        self.shape = (len(self.anchors) // response_size**2, response_size, response_size)
        self._anchors_xywh = cxcywh_to_xywh(self.anchors)

    def assign(self, box_cxcywh: ArrayLike, negative: bool, rng: np.random.Generator) -> Targets:
        """Targets for one search crop; the box is relative to the crop's centre, in its pixels.

        A negative pair has background alone, chosen near the other target, which must be told
        from the template's.
        """
        box = np.asarray(box_cxcywh, float)
        overlap = iou_xywh(self._anchors_xywh, cxcywh_to_xywh(box))
        if negative:
            return Targets(self._background_near(box, rng), self._offsets(box))
        labels = np.full(len(self.anchors), -1, np.int8)
        positive = np.flatnonzero(overlap > self.config.positive_iou)
        if not len(positive) and self.config.best_is_positive and overlap.max() > 0:
            positive = np.flatnonzero(overlap == overlap.max())
        positive = _some(positive, self.config.positives, rng)
        background = np.flatnonzero(overlap < self.config.negative_iou)
        background = _some(background, self.config.total - self.config.positives, rng)
        labels[background] = 0
        labels[positive] = 1
        return Targets(labels.reshape(self.shape), self._offsets(box))

    def all_background(self, rng: np.random.Generator) -> NDArray[np.int8]:
        """Labels (k, S, S) of a crop that shows no target: background, at places drawn."""
        labels = np.full(len(self.anchors), -1, np.int8)
        labels[_some(np.arange(len(labels)), self.config.negative_pair_anchors, rng)] = 0
        return labels.reshape(self.shape)

    def _background_near(self, box: Boxes, rng: np.random.Generator) -> NDArray[np.int8]:
        """Like pysot's: within three cells of the other target's centre."""
        distance = np.abs(self.anchors[:, :2] - box[:2]).max(axis=1)
        reach = max(3.5 * self._stride, distance.min())
        labels = np.full(len(self.anchors), -1, np.int8)
        near = np.flatnonzero(distance <= reach)
        labels[_some(near, self.config.negative_pair_anchors, rng)] = 0
        return labels.reshape(self.shape)

    @property
    def _stride(self) -> float:
        centers = np.unique(self.anchors[:, 0])
        return float(centers[1] - centers[0]) if len(centers) > 1 else 0.0

    def _offsets(self, box: Boxes) -> NDArray[np.float32]:
        offsets = encode_offsets(box, self.anchors)
        return offsets.T.reshape(4, *self.shape).astype(np.float32)


def _some(indices: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most ``count`` of the indices, drawn without replacement."""
    if len(indices) <= count:
        return indices
    return rng.choice(indices, count, replace=False, shuffle=False)
