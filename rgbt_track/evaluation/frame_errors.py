"""From one sequence's boxes to its per-frame errors, by a rule set.

This part of scoring decides about odd input: other formats, other lengths, NaN, empty
boxes. Whatever the rules do not settle is refused by sequence and row (counted from 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import iou_xywh, xyxy_to_xywh
from rgbt_track.evaluation.metrics import center_distances, normalized_distances
from rgbt_track.evaluation.rules import Rules

Boxes = NDArray[np.floating]
Truth = ArrayLike | Mapping[str, ArrayLike]


@dataclass(frozen=True)
class FrameErrors:
    """Per scored frame: overlap (-1: always a failure), distance in pixels, normalised distance."""

    overlaps: Boxes
    distances: Boxes
    normalized: Boxes


def truths_xywh(rules: Rules, truth: Truth, sequence: str) -> tuple[Boxes, ...]:
    """The ground truths to score against, x, y, w, h, out of the benchmark's own format.

    ``truth`` is ``(N, 4)``, or ``{"visible": (N, 4), "infrared": (N, 4)}`` where a benchmark has
    two; one array stands for both. Raises ``ValueError`` for any other form.
    """
    if isinstance(truth, Mapping):
        if set(truth) != {"visible", "infrared"}:
            raise ValueError(
                f"{sequence}: the ground truth has the keys {', '.join(map(str, truth)) or 'none'}"
                "; expected visible and infrared"
            )
        if rules.truth == "single":
            raise ValueError(
                f"{sequence}: {rules.benchmark} has a single ground truth; give one (N, 4) array"
            )
        truths = tuple(_parse_truth(rules, truth[key], sequence) for key in ("visible", "infrared"))
        if len(truths[0]) != len(truths[1]):
            raise ValueError(
                f"{sequence}: the visible ground truth has {len(truths[0])} rows, "
                f"the infrared one {len(truths[1])}"
            )
        return truths if rules.truth == "better" else truths[:1]
    return (_parse_truth(rules, truth, sequence),)


def _parse_truth(rules: Rules, truth: ArrayLike, sequence: str) -> Boxes:
    boxes = _to_array(truth, (4,), f"{sequence}: the ground truth")
    finite = np.isfinite(boxes).all(1)
    if rules.unlabelled == "refuse" and not finite.all():
        row = int(np.argmin(finite)) + 1
        raise ValueError(f"{sequence}: row {row} of the ground truth is not a finite box")
    boxes = xyxy_to_xywh(boxes) if rules.truth_format == "xyxy" else boxes.copy()
    if rules.unlabelled == "left out":
        boxes[~(boxes[:, 2:] > 0).all(1)] = np.nan
    return boxes


def _to_array(values: ArrayLike, columns: tuple[int, ...], label: str) -> Boxes:
    try:
        boxes = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{label} is not an array of numbers") from None
    if boxes.ndim != 2 or not len(boxes) or boxes.shape[1] not in columns:
        valid = " or ".join(f"(N, {count})" for count in columns)
        raise ValueError(f"{label} has the shape {boxes.shape}; expected {valid}")
    return boxes


def result_xywh(rules: Rules, result: ArrayLike) -> Boxes:
    """A result as boxes ``(N, 4)``: 8 columns are four corners, the third opposite the first.

    The box is ``x1, y1, x3 - x1, y3 - y1``; GTOT's rules round it, half away from zero.
    """
    boxes = np.asarray(result, float)
    if boxes.shape[1] == 4:
        return boxes
    boxes = np.concatenate([boxes[:, :2], boxes[:, 4:6] - boxes[:, :2]], axis=1)
    if not rules.round_corners:
        return boxes
    return np.copysign(np.floor(np.abs(boxes) + 0.5), boxes)


def frame_errors(
    rules: Rules, result: ArrayLike, truths: tuple[Boxes, ...], sequence: str
) -> tuple[FrameErrors, list[str]]:
    """Errors of one sequence's result, and notes on the corrections made to it.

    Args:
        rules: how odd input is treated.
        result: predicted boxes (N, 4) x, y, w, h, or (N, 8) corners.
        truths: one or two ground truths (N, 4), x, y, w, h.
        sequence: name, at the head of every message.

    Raises:
        ValueError: lengths, NaN or negative sides that the rules don't settle; no frame to score.
    """
    boxes = result_xywh(rules, _to_array(result, (4, 8), f"{sequence}: the result"))
    boxes, notes = _fit_length(rules, boxes, len(truths[0]), sequence)
    _refuse_bad_rows(rules, boxes, sequence)
    boxes, repaired = _repair(rules, boxes)
    if len(repaired):
        notes.append(
            f"{sequence}: {len(repaired)} rows without a valid box took the row before, "
            f"row {repaired[0] + 1} the first"
        )
    if rules.first_frame == "truth":
        boxes = np.concatenate([truths[0][:1], boxes[1:]])
    scored = _scored_frames(rules, truths)
    if not scored.any():
        raise ValueError(f"{sequence}: no frame to score: the ground truth has no usable box")
    errors = [_compute_errors(rules, boxes[scored], truth[scored]) for truth in truths]
    if len(errors) == 1:
        return errors[0], notes
    # As MATLAB's min and max do, fmin and fmax pass over a NaN of one modality.
    return FrameErrors(
        np.fmax.reduce([error.overlaps for error in errors]),
        np.fmin.reduce([error.distances for error in errors]),
        np.fmin.reduce([error.normalized for error in errors]),
    ), notes


def _fit_length(rules: Rules, boxes: Boxes, length: int, sequence: str) -> tuple[Boxes, list[str]]:
    if len(boxes) == length:
        return boxes, []
    message = f"{sequence}: the result has {len(boxes)} rows, the ground truth {length}"
    if len(boxes) < length:
        raise ValueError(f"{message}: the run is incomplete; run this sequence again")
    if rules.longer == "refuse":
        raise ValueError(f"{message}: one row per frame is needed ({rules.name} rules do not cut)")
    return boxes[:length], [f"{message}: cut to the ground truth, as the {rules.name} rules say"]


def _refuse_bad_rows(rules: Rules, boxes: Boxes, sequence: str) -> None:
    bad = np.isinf(boxes).any(1)
    if not rules.accepts_nan:
        bad |= np.isnan(boxes).any(1)
    if not rules.negative_sides:
        bad |= (boxes[:, 2:] < 0).any(1)
    if bad.any():
        row = int(np.argmax(bad))
        values = ", ".join(f"{value:g}" for value in boxes[row])
        raise ValueError(
            f"{sequence}: row {row + 1} of the result is no box ({values}); "
            f"{rules.name} rules for {rules.benchmark} do not say what it counts"
        )


def _repair(rules: Rules, boxes: Boxes) -> tuple[Boxes, NDArray[np.intp]]:
    """The boxes with rows that are none replaced, and the indices of these."""
    if rules.repair is None:
        return boxes, np.array([], np.intp)
    bad = rules.repair(boxes)
    bad[0] = False
    source_rows = np.maximum.accumulate(np.where(bad, 0, np.arange(len(boxes))))
    return boxes[source_rows], np.flatnonzero(bad)


def _scored_frames(rules: Rules, truths: tuple[Boxes, ...]) -> NDArray[np.bool_]:
    scored = np.ones(len(truths[0]), bool)
    if rules.unlabelled == "left out":
        scored = np.any([np.isfinite(truth).all(1) for truth in truths], axis=0)
    if rules.first_frame == "left out":
        scored[0] = False
    return scored


def _compute_errors(rules: Rules, boxes: Boxes, truth: Boxes) -> FrameErrors:
    overlaps = iou_xywh(boxes, truth)
    distances = center_distances(boxes, truth, rules.side_offset)
    normalized = normalized_distances(boxes, truth, rules.side_offset, rules.epsilon)
    overlaps[rules.success_invalid(truth)] = -1.0
    distances[rules.precision_invalid(truth)] = rules.invalid_distance
    normalized[rules.normalized_invalid(truth)] = rules.invalid_normalized
    return FrameErrors(overlaps, distances, normalized)
