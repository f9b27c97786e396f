"""From a response to one box: SiamRPN's scale and ratio penalty and cosine window, box voting.

Boxes here are in crop pixels relative to the crop's center, ``cxcywh``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import cxcywh_to_xywh, iou_xywh
from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import anchor_boxes, decode_centers, decode_sizes

Array = NDArray[np.floating]

_VOTING_POWER = 4  # of a box's probability in its vote


@dataclass(frozen=True)
class Selection:
    """The best anchor: its box, its probability and its penalty in (0, 1]."""

    box_cxcywh: Array
    probability: float
    penalty: float


def cosine_window(anchors: int, response_size: int) -> Array:
    """Hanning window over the response, repeated for every anchor: (k * S * S,)."""
    hanning = np.hanning(response_size)
    return np.tile(np.outer(hanning, hanning).ravel(), anchors)


def select_anchor(
    probability: Array,
    loc: Array,
    *,
    anchors: AnchorConfig,
    size_in_crop: tuple[float, float],
    penalty_k: float,
    window_influence: float,
    voting_overlap: float = 0.0,
) -> Selection:
    """Select the best anchor (SiamRPN, Li et al. 2018, section 4.3, as pysot computes it).

    Its box may be voted on by the others (box voting, Gidaris and Komodakis, ICCV 2015).

    Args:
        probability: (k, S, S) of being the target.
        loc: (4, k, S, S) offsets.
        anchors: shapes of the k anchors.
        size_in_crop: the target's last width and height in crop pixels.
        penalty_k: strength of the penalty on changes of size and aspect ratio.
        window_influence: share of the window in the score, in [0, 1].
        voting_overlap: the box is the mean of all those that overlap the best one's by more than
            this, weighted by the excess and by the probability to the fourth; 0: no voting.
    """
    boxes, window = _anchor_grid(anchors, loc.shape[-1])
    probability, offsets = probability.ravel(), loc.reshape(4, -1).T
    # Penalty on changes of size and of aspect ratio since the last frame.
    width, height = decode_sizes(offsets, boxes).T
    last_width, last_height = size_in_crop
    scale_change = _ratio(_padded_side(width, height) / _padded_side(last_width, last_height))
    aspect_change = _ratio((last_width / last_height) / (width / height))
    penalty = np.exp(-(scale_change * aspect_change - 1) * penalty_k)
    # Cosine window: large displacements are unlikely.
    score = penalty * probability * (1 - window_influence) + window * window_influence
    best = int(np.argmax(score))
    center = decode_centers(offsets[best], boxes[best])
    box = np.array([*center, width[best], height[best]], float)
    if voting_overlap:
        centers = decode_centers(offsets, boxes)
        all_boxes = np.concatenate([centers, np.stack([width, height], 1)], 1)
        excess = iou_xywh(cxcywh_to_xywh(all_boxes), cxcywh_to_xywh(box)) - voting_overlap
        votes = np.maximum(excess, 0) * probability**_VOTING_POWER
        if votes.any():
            box = votes @ all_boxes / votes.sum()
    return Selection(box, float(probability[best]), float(penalty[best]))


@functools.lru_cache(maxsize=16)
def _anchor_grid(anchors: AnchorConfig, response_size: int) -> tuple[Array, Array]:
    """All anchors (N, 4) and the window over them (N,), N = k * S * S."""
    boxes = anchor_boxes(anchors, response_size)
    return boxes, cosine_window(len(boxes) // response_size**2, response_size)


def _ratio(change: Array) -> Array:
    return np.maximum(change, 1 / change)


def _padded_side(width: Array | float, height: Array | float) -> Array:
    padding = (width + height) / 2
    return np.sqrt((width + padding) * (height + padding))
