"""Calibration of a tracker's score: how often is the box correct, and is the target there at all?

Reliability diagram and expected calibration error as in Guo et al., On calibration of modern neural
networks, 2017: of the frames with a score of 0.8, 80 % should be correct. Correct is an overlap of
more than 0.5; a frame in which the target is absent is never correct. Precision, recall and F-score
of the score as in the long-term challenges of VOT (Lukezic et al., Now you see me, 2018).
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
_CORRECT_ABOVE = 0.5
_THRESHOLDS = 100
_CLIP = 1e-6  # scores of 0 and 1 have no finite logit
_SMALLEST_SCALE = 0.01  # keeps the order of uninformative scores


@dataclass(frozen=True)
class ScoredFrames:
    """The frames of one sequence that are labelled, with a box or as absent.

    Scores (N,), overlaps (N,) with the ground truth, 0 where it is absent, and presence (N,).
    """

    scores: Values
    overlaps: Values
    present: NDArray[np.bool_]

    @property
    def correct(self) -> NDArray[np.bool_]:
        return self.overlaps > _CORRECT_ABOVE


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram over B bins of equal width.

    ``score`` and ``correct`` (B,) are each bin's mean score and share of correct frames, NaN in an
    empty bin; ``error`` is the expected calibration error (ECE), the mean of their absolute
    differences weighted by the bins' frames.
    """

    frames: NDArray[np.intp]
    score: Values
    correct: Values
    error: float


@dataclass(frozen=True)
class LongTerm:
    """Precision, recall and F-score over thresholds of the score (T,), falling; means of sequences.

    The tracker reports the target as present in frames of at least that score. ``best`` is the
    threshold of the highest F-score; ``absent_accuracy`` is the share of the ``absent`` frames,
    those without the target, whose score is below it.
    """

    thresholds: Values
    precision: Values
    recall: Values
    f: Values
    absent: int
    absent_accuracy: float

    @property
    def best(self) -> int:
        return int(np.argmax(self.f))


@dataclass(frozen=True)
class Calibration:
    """Both measures; ``None`` where one is not defined.

    A reliability needs scores in [0, 1], precision and recall need frames without the target.
    """

    reliability: Reliability | None
    long_term: LongTerm | None


def scored_frames(scores: ArrayLike, boxes_xywh: ArrayLike, annotation: Annotation) -> ScoredFrames:
    """Compare scores (N,) and boxes (N, 4), from pixel 0, with the annotation of a sequence.

    The first frame, which initializes the tracker, and frames without a label are left out.
    """
    present = annotation.labelled
    annotated = present | annotation.absent
    annotated[0] = False
    overlaps = np.zeros(len(annotated))
    boxes = np.nan_to_num(np.asarray(boxes_xywh, float))
    overlaps[present] = iou_xywh(boxes[present], annotation.boxes[present])
    return ScoredFrames(
        np.asarray(scores, float)[annotated], overlaps[annotated], present[annotated]
    )


def calibrate_scores(sequences: Sequence[ScoredFrames], bins: int = 10) -> Calibration:
    """Reliability and long-term measures of a tracker's scores on some sequences."""
    scores, correct, present = _pool(sequences)
    in_range = len(scores) > 0 and scores.min() >= 0 and scores.max() <= 1
    return Calibration(
        reliability(scores, correct, bins) if in_range else None,
        long_term(sequences) if present.any() and not present.all() else None,
    )


def reliability(scores: ArrayLike, correct: ArrayLike, bins: int = 10) -> Reliability:
    """Scores (N,) in [0, 1] against correctness (N,), in ``bins`` bins of equal width."""
    scores, correct = np.asarray(scores, float), np.asarray(correct, bool)
    bin_index = np.clip(np.ceil(scores * bins).astype(int) - 1, 0, bins - 1)  # (k/B, (k+1)/B]
    frames = np.bincount(bin_index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(bin_index, scores, bins) / frames
        correct_share = np.bincount(bin_index, correct, bins) / frames
    gaps = np.nan_to_num(np.abs(mean_score - correct_share))
    error = float((frames * gaps).sum() / len(scores))
    return Reliability(frames, mean_score, correct_share, error)


def long_term(sequences: Sequence[ScoredFrames]) -> LongTerm:
    """VOT's long-term measures, at no more than 100 thresholds, quantiles of the scores.

    Raises ``ValueError`` where the target is in no frame.
    """
    sequences = [sequence for sequence in sequences if sequence.present.any()]
    if not sequences:
        raise ValueError("no frame with a target: there is no recall")
    scores, _, present = _pool(sequences)
    steps = np.linspace(1, 0, min(_THRESHOLDS, len(scores)))
    thresholds = np.unique(np.quantile(scores, steps, method="nearest"))[::-1]
    curves = [long_term_curves(s.scores, s.overlaps, s.present, thresholds) for s in sequences]
    precision, recall = np.mean(curves, axis=0)
    f = f_score(precision, recall)
    below = scores[~present] < thresholds[np.argmax(f)]
    return LongTerm(
        thresholds, precision, recall, f, len(below), float(below.mean()) if len(below) else 1.0
    )


def fit_recalibration(scores: ArrayLike, correct: ArrayLike) -> tuple[float, float]:
    """Scale and bias of ``recalibrate`` fitted to scores (N,) in [0, 1] and correctness (N,).

    Platt's maximum likelihood, by Newton's method with step halving, with his targets that keep it
    finite: (n + 1) / (n + 2) for the n correct frames and 1 / (m + 2) for the m wrong ones. The
    scale is at least 0.01. Raises ``ValueError`` unless there are both correct and wrong frames.
    """
    correct = np.asarray(correct, bool)
    hits, misses = int(correct.sum()), int((~correct).sum())
    if not hits or not misses:
        raise ValueError(
            f"{hits} correct and {misses} wrong frames: a recalibration needs both; take harder or "
            "more sequences"
        )
    clipped = np.clip(np.asarray(scores, float), _CLIP, 1 - _CLIP)
    logits = np.log(clipped / (1 - clipped))
    targets = np.where(correct, (hits + 1) / (hits + 2), 1 / (misses + 2))
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


def _pool(sequences: Sequence[ScoredFrames]) -> tuple[Values, NDArray, NDArray]:
    parts = [(sequence.scores, sequence.correct, sequence.present) for sequence in sequences]
    scores, correct, present = (np.concatenate(part) for part in zip(*parts, strict=True))
    return scores, correct, present
