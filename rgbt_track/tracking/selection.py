"""From the joined response to one box: SiamRPN's scale and ratio penalty and cosine window.

Boxes here are in crop pixels relative to the crop's centre, ``cxcywh``. Only the winning anchor's
centre is decoded; the penalty needs every anchor's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_LARGEST_LOG = 8.0  # exp of it is no side of any box; beyond it an untrained head overflows


@dataclass(frozen=True)
class Winner:
    """The chosen anchor: its box, its probability and its penalty in (0, 1]."""

    box_cxcywh: Array
    probability: float
    penalty: float


def cosine_window(anchors: int, response_size: int) -> Array:
    """Hanning window over the response, repeated for every anchor: (k * S * S,)."""
    hanning = np.hanning(response_size)
    return np.tile(np.outer(hanning, hanning).ravel(), anchors)


def choose(
    probability: Array,
    loc: Array,
    anchors_cxcywh: Array,
    window: Array,
    size_in_crop: tuple[float, float],
    penalty_k: float,
    window_influence: float,
) -> Winner:
    """Choose the best anchor (SiamRPN, Li et al. 2018, section 4.3, as pysot computes it).

    Args:
        probability: (N,) of being the target, N = k * S * S.
        loc: (4, N) offsets: centre in anchor sides, size in logarithms.
        anchors_cxcywh: (N, 4).
        window: (N,) in [0, 1].
        size_in_crop: the target's last width and height in crop pixels.
        penalty_k: strength of the penalty on changes of size and aspect ratio.
        window_influence: share of the window in the score, in [0, 1].
    """
    growth = np.exp(np.clip(loc[2:], -_LARGEST_LOG, _LARGEST_LOG))
    width, height = growth * anchors_cxcywh[:, 2:].T
    last_width, last_height = size_in_crop
    scale_change = _ratio(_padded_side(width, height) / _padded_side(last_width, last_height))
    aspect_change = _ratio((last_width / last_height) / (width / height))
    penalty = np.exp(-(scale_change * aspect_change - 1) * penalty_k)
    score = penalty * probability * (1 - window_influence) + window * window_influence
    best = int(np.argmax(score))
    center = loc[:2, best] * anchors_cxcywh[best, 2:] + anchors_cxcywh[best, :2]
    box = np.array([*center, width[best], height[best]], float)
    return Winner(box, float(probability[best]), float(penalty[best]))


def _ratio(change: Array) -> Array:
    return np.maximum(change, 1 / change)


def _padded_side(width: Array | float, height: Array | float) -> Array:
    padding = (width + height) / 2
    return np.sqrt((width + padding) * (height + padding))
