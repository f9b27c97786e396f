"""How much a tracker's score says: whether its box is right, and whether the target is there.

Reliability diagram and expected calibration error as in Guo et al., On calibration of modern neural
networks, 2017: of the frames with a score of 0.8, 80 % should be right. Right is an overlap of more
than a half; a frame in which the target is absent is never right. Precision, recall and F-score of
the score as in the long-term challenges of VOT (Lukezic et al., Now you see me, 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import iou_xywh
from rgbt_track.data.annotations import Annotation
from rgbt_track.evaluation.metrics import f_score, long_term_curves

Values = NDArray[np.floating]
_RIGHT = 0.5
_THRESHOLDS = 100
_CLIP = 1e-6  # scores of 0 and 1 have no finite logit
_SMALLEST_SCALE = 0.01  # keeps the order of scores that say nothing


@dataclass(frozen=True)
class ScoredFrames:
    """The frames of one sequence of which the data set says where the target is, or that it is not.

    Scores (N,), overlaps (N,) with the ground truth, 0 where it is absent, and presence (N,).
    """

    scores: Values
    overlaps: Values
    present: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.overlaps > _RIGHT


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram over B bins of equal width, and what it says in one number.

    ``score`` and ``right`` (B,) are each bin's mean score and share of right frames, NaN in a bin
    without frames; ``error`` is the expected calibration error, the mean of their differences over
    all frames.
    """

    frames: NDArray[np.intp]
    score: Values
    right: Values
    error: float


@dataclass(frozen=True)
class LongTerm:
    """Precision, recall and F-score over thresholds of the score (T,), falling; means of sequences.

    Frames of at least that score are those in which the tracker claims the target. ``best`` is the
    threshold of the highest F-score; ``absent_found`` the share of all frames without the target
    whose score is below it.
    """

    thresholds: Values
    precision: Values
    recall: Values
    f: Values
    absent: int
    absent_found: float

    @property
    def best(self) -> int:
        return int(np.argmax(self.f))


@dataclass(frozen=True)
class Calibration:
    """What a tracker's scores say; ``None`` for what cannot be known.

    A reliability needs scores in [0, 1], precision and recall need frames without the target.
    """

    reliability: Reliability | None
    long_term: LongTerm | None


def scored_frames(scores: ArrayLike, boxes_xywh: ArrayLike, annotation: Annotation) -> ScoredFrames:
    """Compare scores (N,) and boxes (N, 4), from pixel 0, with the annotation of a sequence.

    The first frame, which the tracker is given, and frames without a label are left out.
    """
    present = annotation.labelled
    known = present | annotation.absent
    known[0] = False
    overlaps = np.zeros(len(known))
    boxes = np.nan_to_num(np.asarray(boxes_xywh, float))
    overlaps[present] = iou_xywh(boxes[present], annotation.boxes[present])
    return ScoredFrames(np.asarray(scores, float)[known], overlaps[known], present[known])


def calibrate_scores(sequences: Sequence[ScoredFrames], bins: int = 10) -> Calibration:
    """Everything about the scores of a tracker on some sequences."""
    scores, right, present = _pooled(sequences)
    in_range = len(scores) > 0 and scores.min() >= 0 and scores.max() <= 1
    return Calibration(
        reliability(scores, right, bins) if in_range else None,
        long_term(sequences) if present.any() and not present.all() else None,
    )


def reliability(scores: ArrayLike, right: ArrayLike, bins: int = 10) -> Reliability:
    """Scores (N,) in [0, 1] against what was right (N,), in ``bins`` bins of equal width."""
    scores, right = np.asarray(scores, float), np.asarray(right, bool)
    place = np.clip(np.ceil(scores * bins).astype(int) - 1, 0, bins - 1)  # (k/B, (k+1)/B]
    frames = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(place, scores, bins) / frames
        share_right = np.bincount(place, right, bins) / frames
    gaps = np.nan_to_num(np.abs(mean_score - share_right))
    return Reliability(frames, mean_score, share_right, float((frames * gaps).sum() / len(scores)))


def long_term(sequences: Sequence[ScoredFrames]) -> LongTerm:
    """VOT's long-term measures, at no more than 100 thresholds out of the scores themselves.

    Raises ``ValueError`` where the target is in no frame.
    """
    sequences = [sequence for sequence in sequences if sequence.present.any()]
    if not sequences:
        raise ValueError("no frame with a target: there is no recall")
    scores, _, present = _pooled(sequences)
    steps = np.linspace(1, 0, min(_THRESHOLDS, len(scores)))
    thresholds = np.unique(np.quantile(scores, steps, method="nearest"))[::-1]
    curves = [long_term_curves(s.scores, s.overlaps, s.present, thresholds) for s in sequences]
    precision, recall = np.mean(curves, axis=0)
    f = f_score(precision, recall)
    below = scores[~present] < thresholds[np.argmax(f)]
    return LongTerm(
        thresholds, precision, recall, f, len(below), float(below.mean()) if len(below) else 1.0
    )


def fit_recalibration(scores: ArrayLike, right: ArrayLike) -> tuple[float, float]:
    """Scale and bias of ``recalibrate`` that suit scores (N,) in [0, 1] and what was right (N,).

    Platt's maximum likelihood, by Newton's method with step halving, with his targets that keep it
    finite: (n + 1) / (n + 2) for the n right frames and 1 / (m + 2) for the m wrong ones. The scale
    is at least 0.01. Raises ``ValueError`` unless there are both right and wrong frames.
    """
    right = np.asarray(right, bool)
    hits, misses = int(right.sum()), int((~right).sum())
    if not hits or not misses:
        raise ValueError(
            f"{hits} right and {misses} wrong frames: a recalibration needs both; take harder or "
            "more sequences"
        )
    clipped = np.clip(np.asarray(scores, float), _CLIP, 1 - _CLIP)
    logits = np.log(clipped / (1 - clipped))
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (misses + 2))
    ones = np.ones_like(logits)
    scale, bias = _newton(np.stack([logits, ones], 1), targets, 0 * logits)
    if scale < _SMALLEST_SCALE:
        scale = _SMALLEST_SCALE
        (bias,) = _newton(ones[:, None], targets, scale * logits)
    return float(scale), float(bias)


def _newton(columns: Values, targets: Values, offset: Values) -> Values:
    """Logistic regression: weights (K,) of ``columns`` (N, K), beside a fixed ``offset`` (N,)."""

    def loss(weights: Values) -> float:
        margins = columns @ weights + offset
        return float((np.logaddexp(0, margins) - targets * margins).sum())

    weights = np.zeros(columns.shape[1])
    for _ in range(100):
        probability = 0.5 * (1 + np.tanh(0.5 * (columns @ weights + offset)))
        gradient = columns.T @ (probability - targets)
        curvature = (columns * (probability * (1 - probability))[:, None]).T @ columns
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        before = loss(weights)
        while loss(weights - step) > before and np.abs(step).max() > 1e-12:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _pooled(sequences: Sequence[ScoredFrames]) -> tuple[Values, NDArray, NDArray]:
    parts = [(sequence.scores, sequence.right, sequence.present) for sequence in sequences]
    scores, right, present = (np.concatenate(part) for part in zip(*parts, strict=True))
    return scores, right, present
