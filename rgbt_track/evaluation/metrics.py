"""One-pass measures as pure functions of arrays; what a benchmark makes of them is in ``rules``.

Boxes are ``(N, 4)`` continuous x, y, w, h, one row per frame. A frame that has no valid number
(NaN) is neither a success nor a hit, as every comparison with NaN is false.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import iou_xywh

Values = NDArray[np.floating]


def centers_xy(boxes_xywh: ArrayLike, side_offset: float = 0.0) -> Values:
    """Centres ``(N, 2)`` of boxes, ``x + (w - side_offset) / 2``.

    ``side_offset`` 1 is the centre of the pixel grid that LasHeR, pysot and pytracking use; 0 the
    continuous centre. Distances are the same, normalised ones to within a rounding.
    """
    boxes = np.asarray(boxes_xywh, float)
    return boxes[:, :2] + (boxes[:, 2:] - side_offset) / 2


def center_distances(
    boxes_xywh: ArrayLike, truth_xywh: ArrayLike, side_offset: float = 0
) -> Values:
    """Distance of the centres per frame, in pixels, ``(N,)``."""
    difference = centers_xy(boxes_xywh, side_offset) - centers_xy(truth_xywh, side_offset)
    return np.sqrt((difference**2).sum(1))


def normalized_distances(
    boxes_xywh: ArrayLike,
    truth_xywh: ArrayLike,
    side_offset: float = 0.0,
    epsilon: float = 0.0,
) -> Values:
    """Distance of the centres per frame in units of the ground truth's width and height, ``(N,)``.

    Each centre is divided first and then subtracted, as the evaluators do. ``epsilon`` is added to
    the sides (pysot: 1e-16). NaN or infinite where a side is 0.
    """
    sides = np.asarray(truth_xywh, float)[:, 2:] + epsilon
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = centers_xy(boxes_xywh, side_offset) / sides
        difference = difference - centers_xy(truth_xywh, side_offset) / sides
    return np.sqrt((difference**2).sum(1))


def success_counts(overlaps: ArrayLike, thresholds: ArrayLike) -> NDArray[np.intp]:
    """Number of frames with an overlap strictly above each threshold, ``(T,)``."""
    return (np.asarray(overlaps)[:, None] > np.asarray(thresholds)).sum(0)


def hit_counts(
    distances: ArrayLike, thresholds: ArrayLike, strict: bool = False
) -> NDArray[np.intp]:
    """Number of frames within each distance (``strict``: nearer than it), ``(T,)``."""
    compare = np.less if strict else np.less_equal
    return compare(np.asarray(distances)[:, None], np.asarray(thresholds)).sum(0)


def area_by_mean(curve: ArrayLike) -> float:
    """Area under a success curve as the plain mean of its values."""
    return float(np.asarray(curve, float).mean())


def area_by_trapezoids(curve: ArrayLike, thresholds: ArrayLike) -> float:
    """Area under a success curve by the trapezoidal rule, MATLAB's ``trapz``."""
    curve, thresholds = np.asarray(curve, float), np.asarray(thresholds, float)
    return float((np.diff(thresholds) * (curve[1:] + curve[:-1])).sum() / 2)


def average_overlap(boxes_xywh: ArrayLike, truth_xywh: ArrayLike) -> float:
    """Mean overlap over the frames that have a ground truth, in [0, 1]; NaN where none has.

    Frames whose ground truth is NaN or empty are left out. The caller leaves out the first frame,
    which is given to the tracker.
    """
    boxes, truth = np.asarray(boxes_xywh, float), np.asarray(truth_xywh, float)
    labelled = np.isfinite(truth).all(1) & (truth[:, 2:] > 0).all(1)
    if not labelled.any():
        return float("nan")
    return float(np.nan_to_num(iou_xywh(boxes[labelled], truth[labelled])).mean())


def long_term_curves(
    scores: ArrayLike, overlaps: ArrayLike, present: ArrayLike, thresholds: ArrayLike
) -> tuple[Values, Values]:
    """Tracking precision and recall of one sequence at each threshold of the score, (T,) each.

    Lukezic et al., Now you see me: evaluating performance in long-term visual tracking, 2018,
    equations 1 and 2. The target is reported as present in frames whose score is at least the
    threshold: precision is the mean overlap over these, 1 where there are none; recall is their sum
    of overlaps over the number of frames with the target. Overlaps are 0 in frames without it.
    """
    overlaps = np.asarray(overlaps, float)
    reported = np.asarray(scores) >= np.asarray(thresholds)[:, None]
    count, total = reported.sum(1), (reported * overlaps).sum(1)
    precision = np.divide(total, count, out=np.ones(len(count)), where=count > 0)
    return precision, total / np.asarray(present, bool).sum()


def f_score(precision: ArrayLike, recall: ArrayLike) -> Values:
    """Harmonic mean of precision and recall, 0 where both are 0."""
    product, total = np.multiply(precision, recall), np.add(precision, recall)
    return np.divide(2 * product, total, out=np.zeros_like(product), where=total > 0)
