"""The rule sets: everything in which two evaluators differ, written down once.

``official`` reproduces the published tables of each benchmark; ``pysot`` and ``pytracking`` are
what those libraries compute (and so OSTrack and its many descendants); ``generic`` is ours, for
data sets that have no rules of their own. ``docs/evaluation.md`` says the same in words, with the
size of the differences. ``scoring`` follows these fields and knows no benchmark by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rgbt_track.evaluation import thresholds
from rgbt_track.evaluation.metrics import centers_xy
from rgbt_track.resources import check_choice

Boxes = NDArray[np.floating]
Flags = NDArray[np.bool_]
Test = Callable[[Boxes], Flags]


def never(truth: Boxes) -> Flags:
    """No ground truth is invalid."""
    return np.zeros(len(truth), bool)


def any_value_not_positive(truth: Boxes) -> Flags:
    """LasHeR: x, y, w or h <= 0, so that an ordinary box touching the left or top edge counts."""
    return _any_in_row(truth <= 0)


def side_not_positive(truth: Boxes) -> Flags:
    """The box is empty."""
    return _any_in_row(truth[:, 2:] <= 0)


def center_not_positive(truth: Boxes) -> Flags:
    """pysot's test in its precision: the centre of the box, not its sides."""
    return _any_in_row(centers_xy(truth, side_offset=1) <= 0)


def normalized_center_not_positive(truth: Boxes) -> Flags:
    """pysot's test in its normalised precision."""
    centers = centers_xy(truth, side_offset=1) / (truth[:, 2:] + 1e-16)
    return _any_in_row(centers <= 0)


def nan_or_not_positive(result: Boxes) -> Flags:
    """A predicted box with a NaN or a side <= 0."""
    return _any_in_row(np.isnan(result)) | _any_in_row(result[:, 2:] <= 0)


def side_zero(result: Boxes) -> Flags:
    """A predicted box with a side of exactly 0."""
    return _any_in_row(result[:, 2:] == 0)


def _any_in_row(flags: Flags) -> Flags:
    return np.asarray(flags.any(1))


@dataclass(frozen=True)
class Rules:
    """How one benchmark is scored by one rule set.

    Attributes:
        benchmark, name: which, for instance ``"lasher"`` and ``"official"``.
        measures: the numbers it yields, in the order of its tables.
        truth: ``"single"``; ``"better"`` takes per frame the better of the visible and the infrared
            ground truth; ``"visible"`` only the visible one where there are two.
        truth_format: the boxes in the benchmark's ground-truth files.
        round_corners: whether 8-column results are rounded, half away from zero.
        first_frame: whether the first row counts as written, is replaced by the ground truth, or
            is left out.
        repair: from frame 2 on, predicted boxes for which it holds take the previous row.
        negative_sides: whether a predicted box of negative width or height may stand.
        success_invalid: frames of which the success measure always fails.
        precision_invalid, normalized_invalid: frames whose distances are ``invalid_distance`` and
            ``invalid_normalized``: -1 is always a hit, infinity always a miss.
        side_offset, epsilon: see ``metrics``.
        strict_distance: whether a hit needs ``d < t`` instead of ``d <= t``.
        precision_at, normalized_at: the thresholds of PR and NPR.
        overlaps, distances: all thresholds of the curves.
        area: how SR is made of the success curve.
        pooled: whether frames of all sequences count alike, instead of sequences.
        longer: whether results longer than the ground truth are cut or refused.
        unlabelled: whether frames without ground truth (NaN or an empty box) are left out, or NaN
            is refused and an empty box compared like any other.
    """

    benchmark: str
    name: str
    measures: tuple[str, ...] = ("PR", "SR")
    truth: Literal["single", "better", "visible"] = "single"
    truth_format: Literal["xywh", "xyxy"] = "xywh"
    round_corners: bool = False
    first_frame: Literal["kept", "truth", "left out"] = "kept"
    repair: Test | None = None
    negative_sides: bool = True
    success_invalid: Test = never
    precision_invalid: Test = never
    normalized_invalid: Test = never
    invalid_distance: float = -1.0
    invalid_normalized: float = -1.0
    side_offset: float = 0.0
    epsilon: float = 0.0
    strict_distance: bool = False
    precision_at: float = 20.0
    normalized_at: float = 0.2
    overlaps: tuple[float, ...] = tuple(thresholds.OVERLAPS)
    distances: tuple[float, ...] = tuple(thresholds.DISTANCES)
    area: Literal["mean", "trapezoids"] = "mean"
    pooled: bool = False
    longer: Literal["refuse", "cut"] = "refuse"
    unlabelled: Literal["refuse", "left out"] = "refuse"

    @property
    def accepts_nan(self) -> bool:
        """Whether the rules say what a NaN in a result means."""
        return self.repair is nan_or_not_positive


_BOTH = {"gtot", "rgbt234", "vtuav"}
_GENERIC = Rules(
    "plain",
    "generic",
    measures=("AO", "SR50", "SR", "PR", "NPR"),
    first_frame="left out",
    repair=nan_or_not_positive,
    unlabelled="left out",
)
_OFFICIAL = {
    "gtot": Rules(
        "gtot",
        "official",
        truth="better",
        truth_format="xyxy",
        round_corners=True,
        strict_distance=True,
        precision_at=5.0,
        overlaps=tuple(thresholds.OVERLAPS_GTOT),
        distances=tuple(thresholds.DISTANCES_GTOT),
        area="trapezoids",
        pooled=True,
    ),
    "rgbt210": Rules("rgbt210", "official", first_frame="truth"),
    "rgbt234": Rules("rgbt234", "official", measures=("MPR", "MSR"), truth="better"),
    "lasher": Rules(
        "lasher",
        "official",
        measures=("PR", "NPR", "SR"),
        first_frame="truth",
        repair=nan_or_not_positive,
        success_invalid=any_value_not_positive,
        precision_invalid=any_value_not_positive,
        normalized_invalid=any_value_not_positive,
        side_offset=1.0,
        longer="cut",
    ),
    "vtuav": Rules(
        "vtuav", "official", measures=("MPR", "MSR"), truth="better", unlabelled="left out"
    ),
}
_PYSOT = Rules(
    "",
    "pysot",
    measures=("PR", "NPR", "SR"),
    success_invalid=side_not_positive,
    precision_invalid=center_not_positive,
    normalized_invalid=normalized_center_not_positive,
    side_offset=1.0,
    epsilon=1e-16,
    overlaps=tuple(thresholds.OVERLAPS_PYTHON),
)
_PYTRACKING = replace(
    _PYSOT,
    name="pytracking",
    first_frame="truth",
    repair=side_zero,
    negative_sides=False,
    precision_invalid=side_not_positive,
    normalized_invalid=side_not_positive,
    invalid_distance=float("inf"),
    epsilon=0.0,
    longer="cut",
)

BENCHMARKS = tuple(_OFFICIAL)
RULE_SETS = ("official", "pysot", "pytracking", "generic")


def find_rules(benchmark: str, name: str = "official") -> Rules:
    """The rules of a benchmark by the name of a rule set.

    A data set without rules of its own gets ``generic`` for ``official``. Raises ``ValueError`` for
    an unknown rule set.
    """
    check_choice("unknown rules", name, RULE_SETS)
    if name == "official" and benchmark in _OFFICIAL:
        return _OFFICIAL[benchmark]
    library = {"pysot": _PYSOT, "pytracking": _PYTRACKING}.get(name, _GENERIC)
    return replace(
        library,
        benchmark=benchmark,
        truth="visible" if benchmark in _BOTH or name == "generic" else "single",
        truth_format="xyxy" if benchmark == "gtot" else "xywh",
        unlabelled="left out" if benchmark == "vtuav" else library.unlabelled,
    )
