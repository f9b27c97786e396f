"""From a response to one box: SiamRPN's scale and ratio penalty and cosine window, box voting.

Boxes here are in crop pixels relative to the crop's center, ``cxcywh``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def select_anchor(probability: Array, loc: Array, **settings: Any) -> Selection:
    """The best anchor of one response (k, S, S), (4, k, S, S); else as ``select_anchors``."""
    return select_anchors(probability[None], loc[None], **settings)[0]


def select_anchors(
    probability: Array,
    loc: Array,
    *,
    anchors: AnchorConfig,
    size_in_crop: tuple[float, float],
    penalty_k: float,
    window_influence: float,
    voting_overlap: float = 0.0,
) -> list[Selection]:
    """Select the best anchor (SiamRPN, Li et al. 2018, section 4.3, as pysot computes it).

    Its box may be voted on by the others (box voting, Gidaris and Komodakis, ICCV 2015).

    Args:
        probability: (B, k, S, S) of being the target, of B responses to one crop.
        loc: (B, 4, k, S, S) offsets.
        anchors: shapes of the k anchors.
        size_in_crop: the target's last width and height in crop pixels.
        penalty_k: strength of the penalty on changes of size and aspect ratio.
        window_influence: share of the window in the score, in [0, 1].
        voting_overlap: the box is the mean of all those that overlap the best one's by more than
            this, weighted by the excess and by the probability to the fourth; 0: no voting.

    Returns one selection for each response.
    """
    count = len(loc)
    boxes, window = _anchor_grid(anchors, loc.shape[-1])
    # (B, N, 4) whose numbers of one kind lie together in memory, as they do in a response.
    probability, offsets = probability.reshape(count, -1), loc.reshape(count, 4, -1).swapaxes(1, 2)
    # Penalty on changes of size and of aspect ratio since the last frame.
    sizes = decode_sizes(offsets, boxes)
    width, height = sizes[..., 0], sizes[..., 1]
    last_width, last_height = size_in_crop
    scale_change = _ratio(_padded_side(width, height) / _padded_side(last_width, last_height))
    aspect_change = _ratio((last_width / last_height) / (width / height))
    penalty = np.exp(-(scale_change * aspect_change - 1) * penalty_k)
    # Cosine window: large displacements are unlikely.
    score = penalty * probability * (1 - window_influence) + window * window_influence
    best = score.argmax(1)
    centers = decode_centers(offsets, boxes).astype(float, order="K")
    sizes = sizes.astype(float, order="K")
    rows = np.arange(count)
    found = np.concatenate([centers[rows, best], sizes[rows, best]], 1)
    if voting_overlap:
        excess = _overlaps(centers, sizes, found) - voting_overlap
        votes = np.maximum(excess, 0) * probability**_VOTING_POWER
        total = votes.sum(1)[:, None]
        votes = votes[:, None]
        voted = np.concatenate([votes @ centers, votes @ sizes], 2)[:, 0]
        np.divide(voted, total, out=found, where=total > 0)
    return [
        Selection(box, float(probability[row, i]), float(penalty[row, i]))
        for row, (box, i) in enumerate(zip(found, best, strict=True))
    ]


def _overlaps(centers: Array, sizes: Array, boxes_cxcywh: Array) -> Array:
    """Intersection over union of N boxes of positive size with one, B times: (B, N).

    ``boxes.iou_xywh`` takes four times as long for as few boxes as a response has.
    """
    center, size = boxes_cxcywh[:, None, :2], boxes_cxcywh[:, None, 2:]
    low = np.maximum(centers - sizes / 2, center - size / 2)
    high = np.minimum(centers + sizes / 2, center + size / 2)
    shared = np.maximum(high - low, 0)
    area = shared[..., 0] * shared[..., 1]
    whole = sizes[..., 0] * sizes[..., 1] + size[..., 0] * size[..., 1]
    return area / (whole - area)


@functools.lru_cache(maxsize=16)
def _anchor_grid(anchors: AnchorConfig, response_size: int) -> tuple[Array, Array]:
    """All anchors (N, 4), by columns in memory, and the window over them (N,), N = k * S * S."""
    boxes = anchor_boxes(anchors, response_size)
    window = cosine_window(len(boxes) // response_size**2, response_size)
    return np.asfortranarray(boxes), window


def _ratio(change: Array) -> Array:
    return np.maximum(change, 1 / change)


def _padded_side(width: Array | float, height: Array | float) -> Array:
    padding = (width + height) / 2
    return np.sqrt((width + padding) * (height + padding))
