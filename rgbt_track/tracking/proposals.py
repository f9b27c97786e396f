"""Boxes around what moves in unlabelled video, as starts for a tracker.

Three-frame differencing: what differs from an earlier frame and from a later one is where it is
now. The camera's own motion is taken out as a shift. Most proposals are rough and some are wrong;
whoever tracks them checks them (``pseudo_labels.py``).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes
from rgbt_track.io.frames import Frames

Image = NDArray[np.float32]

_BLUR = 1.5  # pixels
_LEAST_SPREADS = 5.0  # of the motion's own spread above its median
_LEAST_LEVELS = 8.0  # gray levels
_CLOSING = 0.02  # of the frame's shorter side: gaps between moving edges of one object
_LEAST_SIDE = 8  # pixels
_LARGEST_SIDE = 0.5  # of the frame's
_LARGEST_ASPECT = 5.0


def propose_boxes(before: Frames, now: Frames, after: Frames, count: int) -> Boxes:
    """Boxes (n, 4) x, y, w, h of at most ``count`` things that move, the most conspicuous first.

    The three frames are of one size, some frames of the video apart; see ``prepare_frames``.
    """
    motion = sum(_motion(before[name], now[name], after[name]) for name in now)
    assert isinstance(motion, np.ndarray)
    median = float(np.median(motion))
    spread = 1.4826 * float(np.median(np.abs(motion - median)))
    moving = motion > median + max(_LEAST_SPREADS * spread, _LEAST_LEVELS)
    height, width = motion.shape
    side = max(round(_CLOSING * min(height, width)), 1) * 2 + 1
    kernel = np.ones((side, side), np.uint8)
    closed = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    total, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    scores = np.bincount(labels.ravel(), weights=motion.ravel(), minlength=total)
    boxes = []
    for part in np.argsort(-scores[1:], kind="stable") + 1:
        x, y, w, h = stats[part, :4]
        fits = w <= _LARGEST_SIDE * width and h <= _LARGEST_SIDE * height
        if fits and min(w, h) >= _LEAST_SIDE and max(w / h, h / w) <= _LARGEST_ASPECT:
            boxes.append((x, y, w, h))
    return np.array(boxes[:count], float).reshape(-1, 4)


def _motion(before: NDArray[np.uint8], now: NDArray[np.uint8], after: NDArray[np.uint8]) -> Image:
    """(H, W) the smaller one of the differences from the frames before and after, in levels."""
    present = _gray(now)
    return np.minimum(*(_difference(_gray(other), present) for other in (before, after)))


def _difference(other: Image, present: Image) -> Image:
    """(H, W) absolute difference, after the shift of the whole image is taken out."""
    window = cv2.createHanningWindow(present.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(other, present, window)
    shifted = cv2.warpAffine(
        other,
        np.array([[1, 0, dx], [0, 1, dy]]),
        other.shape[::-1],
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.abs(shifted - present)


def _gray(image: NDArray[np.uint8]) -> Image:
    return cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), _BLUR).astype(
        np.float32
    )
