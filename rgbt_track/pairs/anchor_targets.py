"""Labels and offsets of the anchors of one pair: pysot's assignment (SiamRPN++), seeded.

Anchors that overlap the target by more than ``positive_iou`` are positive, by less than
``negative_iou`` negative; of both only some are used, so that the background does not dominate the
loss. Offsets are SiamRPN's: center in anchor sides, size in logarithms.

The order of random draws is part of the format: a seed must give the same labels in every version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import cxcywh_to_xywh, iou_xywh
from rgbt_track.config.pairs import TargetConfig
from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import anchor_boxes, encode_offsets


@dataclass(frozen=True, eq=False)
class Targets:
    """``labels`` (k, S, S) int8: 1, 0, or -1 for not used; ``loc`` (4, k, S, S) float32."""

    labels: NDArray[np.int8]
    loc: NDArray[np.float32]


class AnchorTargets:
    """Assigns the anchors of one response map of ``response_size`` cells a side to a target."""

    def __init__(self, config: TargetConfig, anchors: AnchorConfig, response_size: int):
        self.config = config
        self.anchors = anchor_boxes(anchors, response_size).astype(np.float64)
        self.shape = (len(self.anchors) // response_size**2, response_size, response_size)
        self._anchors_xywh = cxcywh_to_xywh(self.anchors)
        columns = np.unique(self.anchors[:, 0])
        self._stride = float(columns[1] - columns[0]) if len(columns) > 1 else 0.0

    def assign(self, box_cxcywh: ArrayLike, negative: bool, rng: np.random.Generator) -> Targets:
        """Targets for one search crop; the box is relative to the crop's center, in its pixels.

        A negative pair has negative anchors alone, within three cells of the box (pysot): the
        other target, which the network must distinguish from the template's.
        """
        box = np.asarray(box_cxcywh, float)
        labels = np.full(len(self.anchors), -1, np.int8)
        if negative:
            distance = np.abs(self.anchors[:, :2] - box[:2]).max(axis=1)
            nearby = np.flatnonzero(distance <= max(3.5 * self._stride, distance.min()))
            labels[_subsample(nearby, self.config.negative_pair_anchors, rng)] = 0
        else:
            overlap = iou_xywh(self._anchors_xywh, cxcywh_to_xywh(box))
            positive = np.flatnonzero(overlap > self.config.positive_iou)
            if not len(positive) and self.config.best_is_positive and overlap.max() > 0:
                positive = np.flatnonzero(overlap == overlap.max())
            positive = _subsample(positive, self.config.positives, rng)
            background = np.flatnonzero(overlap < self.config.negative_iou)
            background = _subsample(background, self.config.total - self.config.positives, rng)
            labels[background] = 0
            labels[positive] = 1
        offsets = encode_offsets(box, self.anchors).T.reshape(4, *self.shape)
        return Targets(labels.reshape(self.shape), offsets.astype(np.float32))

    def all_background(self, rng: np.random.Generator) -> NDArray[np.int8]:
        """Labels (k, S, S) of a crop that shows no target: negative at random positions."""
        labels = np.full(len(self.anchors), -1, np.int8)
        labels[_subsample(np.arange(len(labels)), self.config.negative_pair_anchors, rng)] = 0
        return labels.reshape(self.shape)


def _subsample(
    indices: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """At most ``count`` of the indices, drawn without replacement."""
    if len(indices) <= count:
        return indices
    return rng.choice(indices, count, replace=False, shuffle=False)
