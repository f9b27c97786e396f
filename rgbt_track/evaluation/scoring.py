"""Scores of a tracker on a data set: overall, per sequence, per attribute, with their curves.

``score_results`` takes arrays and returns the published numbers. ``score_tracker`` is
what it calls, and returns everything a report needs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.evaluation.frame_errors import FrameErrors, Truth, frame_errors, truths_xywh
from rgbt_track.evaluation.metrics import (
    area_by_mean,
    area_by_trapezoids,
    hit_counts,
    success_counts,
)
from rgbt_track.evaluation.rules import BENCHMARKS, Rules, find_rules
from rgbt_track.evaluation.thresholds import NORMALIZED_DISTANCES
from rgbt_track.resources import check_choice

Curve = NDArray[np.floating]
Tally = NDArray[np.intp]


@dataclass(frozen=True)
class Counts:
    """What one sequence adds to the sums: frames that pass each threshold, and the frames."""

    frames: int
    success: Tally
    precision: Tally
    normalized: Tally
    overlap_sum: float
    half: float
    hits: float
    normalized_hits: float


@dataclass(frozen=True)
class Curves:
    """Fractions of frames in [0, 1] over the rules' overlaps, distances, and 0..0.50."""

    success: Curve
    precision: Curve
    normalized: Curve


@dataclass(frozen=True)
class Scores:
    """Everything about one tracker on one data set.

    Attributes:
        rules: by which it was scored.
        overall: measure -> value in [0, 1].
        curves: the overall curves.
        sequences, attributes: name -> measure -> value.
        frames: frames that were scored.
        notes: corrections made to the results, one line each.
    """

    rules: Rules
    overall: dict[str, float]
    curves: Curves
    sequences: dict[str, dict[str, float]]
    attributes: dict[str, dict[str, float]]
    frames: int
    notes: tuple[str, ...] = ()
    attribute_sizes: dict[str, int] = field(default_factory=dict)


def score_results(
    benchmark: str,
    results: Mapping[str, ArrayLike],
    groundtruth: Mapping[str, Truth],
    rules: str = "official",
) -> dict[str, float]:
    """Score a tracker's boxes by a benchmark's rules; the numbers of its tables, in [0, 1].

    Args:
        benchmark: gtot, rgbt210, rgbt234, lasher or vtuav, in any case.
        results: sequence -> boxes (N, 4) as x, y, w, h, or (N, 8) as four corners.
        groundtruth: sequence -> (N, 4), or {"visible": (N, 4), "infrared": (N, 4)} where the
            benchmark has both, in its own format: corners x1, y1, x2, y2 for GTOT, x, y, w, h for
            the others.
        rules: official, pysot, pytracking or generic; ``docs/evaluation.md`` explains them.

    Returns:
        {"PR", "NPR", "SR"} for LasHeR, {"PR", "SR"} for GTOT and RGBT210, {"MPR", "MSR"} for
        RGBT234 and VTUAV; {"PR", "NPR", "SR"} by the pysot and pytracking rules.

    Raises:
        ValueError: unknown benchmark or rules, a missing sequence, and boxes that the rules do not
            settle, by sequence and row.

    Warns about corrected results (cut, repaired) and about results without ground truth.
    """
    name = str(benchmark).lower()
    check_choice("unknown benchmark", name, BENCHMARKS)
    scores = score_tracker(find_rules(name, rules), results, groundtruth)
    for note in scores.notes:
        warnings.warn(note, stacklevel=2)
    return scores.overall


def score_tracker(
    rules: Rules,
    results: Mapping[str, ArrayLike],
    groundtruth: Mapping[str, Truth],
    attributes: Mapping[str, Iterable[str]] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Scores:
    """Score a tracker with everything a report shows; arguments as in ``score_results``.

    ``attributes`` maps a sequence to the names of its attributes; ``labels`` to its name in
    messages, for instance the path of its result file. Raises ``ValueError`` as ``score_results``
    does.
    """
    if not groundtruth:
        raise ValueError("no ground truth: there is no sequence to score")
    notes = _check_names(results, groundtruth)
    counts: dict[str, Counts] = {}
    for name, truth in groundtruth.items():
        truths = truths_xywh(rules, truth, name)
        label = (labels or {}).get(name, name)
        errors, frame_notes = frame_errors(rules, results[name], truths, label)
        counts[name] = count_frames(rules, errors)
        notes += frame_notes
    groups = _group(counts, attributes or {})
    return Scores(
        rules=rules,
        overall=measure(rules, counts.values()),
        curves=_curves(rules, counts.values()),
        sequences={name: measure(rules, [count]) for name, count in counts.items()},
        attributes={name: measure(rules, members) for name, members in groups.items()},
        frames=sum(count.frames for count in counts.values()),
        notes=tuple(notes),
        attribute_sizes={name: len(members) for name, members in groups.items()},
    )


def _check_names(results: Mapping[str, ArrayLike], truth: Mapping[str, Truth]) -> list[str]:
    missing = [name for name in truth if name not in results]
    if missing:
        raise ValueError(
            f"{shorten_list(missing)}: no result for {len(missing)} of {len(truth)} sequences"
        )
    extra = [name for name in results if name not in truth]
    return [f"{shorten_list(extra)}: no ground truth, not scored"] if extra else []


def shorten_list(names: list[str], limit: int = 5) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _group(
    counts: Mapping[str, Counts], attributes: Mapping[str, Iterable[str]]
) -> dict[str, list[Counts]]:
    groups: dict[str, list[Counts]] = {}
    for name, count in counts.items():
        for attribute in attributes.get(name, ()):
            groups.setdefault(attribute, []).append(count)
    return dict(sorted(groups.items()))


def count_frames(rules: Rules, errors: FrameErrors) -> Counts:
    """Count the frames of one sequence that pass each threshold of the rules."""
    strict = rules.strict_distance
    return Counts(
        frames=len(errors.overlaps),
        success=success_counts(errors.overlaps, rules.overlaps),
        precision=hit_counts(errors.distances, rules.distances, strict),
        normalized=hit_counts(errors.normalized, NORMALIZED_DISTANCES, strict),
        overlap_sum=float(np.nan_to_num(np.maximum(errors.overlaps, 0)).sum()),
        half=float((errors.overlaps > 0.5).sum()),
        hits=float(hit_counts(errors.distances, [rules.precision_at], strict)[0]),
        normalized_hits=float(hit_counts(errors.normalized, [rules.normalized_at], strict)[0]),
    )


def _mean_per_frame(
    rules: Rules, counts: Iterable[Counts], part: Callable[[Counts], ArrayLike]
) -> Curve:
    """A quantity per frame: over all frames alike, or as the mean of the sequences' own."""
    counts = list(counts)
    sums = np.array([part(count) for count in counts], float)
    frames = np.array([count.frames for count in counts], float)
    if rules.pooled:
        return sums.sum(0) / frames.sum()
    return (sums.T / frames).T.mean(0)


def _curves(rules: Rules, counts: Iterable[Counts]) -> Curves:
    counts = list(counts)
    return Curves(
        _mean_per_frame(rules, counts, lambda count: count.success),
        _mean_per_frame(rules, counts, lambda count: count.precision),
        _mean_per_frame(rules, counts, lambda count: count.normalized),
    )


def measure(rules: Rules, counts: Iterable[Counts]) -> dict[str, float]:
    """The measures of the rules over some sequences, in the order of ``rules.measures``."""
    counts = list(counts)
    success = _mean_per_frame(rules, counts, lambda count: count.success)
    if rules.area == "trapezoids":
        area = area_by_trapezoids(success, rules.overlaps)
    else:
        area = area_by_mean(success)
    precision = float(_mean_per_frame(rules, counts, lambda count: count.hits))
    values = {
        "PR": precision,
        "MPR": precision,
        "NPR": float(_mean_per_frame(rules, counts, lambda count: count.normalized_hits)),
        "SR": area,
        "MSR": area,
        "AO": float(_mean_per_frame(rules, counts, lambda count: count.overlap_sum)),
        "SR50": float(_mean_per_frame(rules, counts, lambda count: count.half)),
    }
    return {name: values[name] for name in rules.measures}
