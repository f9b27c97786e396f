"""Thresholds and measures against hand-computed cases and loop-written twins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rgbt_track.evaluation import metrics, thresholds


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.concatenate([rng.uniform(0, 80, (count, 2)), rng.uniform(1, 60, (count, 2))], axis=1)


def test_colon_counts_up_to_the_middle_and_down_from_the_stop():
    expected = [0.05 * i for i in range(10)] + [0.5] + [1 - 0.05 * i for i in range(9, -1, -1)]
    assert thresholds.OVERLAPS.tolist() == expected
    expected = [0.02 * i for i in range(25)] + [0.5] + [1 - 0.02 * i for i in range(24, -1, -1)]
    assert thresholds.OVERLAPS_GTOT.tolist() == expected


def test_colon_of_an_odd_count_meets_between_two_values():
    assert thresholds.matlab_colon(0, 1, 3).tolist() == [0, 1, 2, 3]
    assert thresholds.matlab_colon(0, 0.1, 0.3).tolist() == [0, 0.1, 0.3 - 0.1, 0.3]


def test_colon_stops_below_a_stop_that_no_step_reaches():
    assert thresholds.matlab_colon(0, 0.4, 1).tolist() == [0, 0.4, 0.8]
    assert thresholds.matlab_colon(2, 5, 3).tolist() == [2]


def test_colon_differs_from_linspace_where_a_tie_decides():
    differ = np.linspace(0, 1, 21) != thresholds.OVERLAPS
    assert 13 in np.flatnonzero(differ)
    tie = [13 / 20]  # a 13-pixel overlap of a 20-pixel union
    assert metrics.success_counts(tie, thresholds.OVERLAPS)[13] == 1
    assert metrics.success_counts(tie, np.linspace(0, 1, 21))[13] == 0
    assert metrics.success_counts(tie, thresholds.OVERLAPS_PYTHON)[13] == 0


@pytest.mark.parametrize("seed", range(3))
def test_distances_equal_a_loop(seed):
    rng = np.random.default_rng(seed)
    boxes, truth = random_boxes(rng, 40), random_boxes(rng, 40)
    plain = metrics.center_distances(boxes, truth)
    normal = metrics.normalized_distances(boxes, truth, side_offset=1)
    for row, (a, b) in enumerate(zip(boxes, truth, strict=True)):
        dx, dy = a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2
        assert plain[row] == pytest.approx(math.hypot(dx, dy), abs=1e-9)
        assert normal[row] == pytest.approx(math.hypot(dx / b[2], dy / b[3]), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_a_loop(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-1, 21, 200) / 20
    values[::17] = np.nan
    above = metrics.success_counts(values, thresholds.OVERLAPS)
    within = metrics.hit_counts(values, thresholds.OVERLAPS)
    nearer = metrics.hit_counts(values, thresholds.OVERLAPS, strict=True)
    for index, limit in enumerate(thresholds.OVERLAPS):
        assert above[index] == sum(1 for value in values if value > limit)
        assert within[index] == sum(1 for value in values if value <= limit)
        assert nearer[index] == sum(1 for value in values if value < limit)


def test_areas_by_hand():
    assert metrics.area_by_mean([1, 0.5, 0]) == pytest.approx(0.5)
    # Two strips: (1 + .5) / 2 * .25 + (.5 + 0) / 2 * .75
    assert metrics.area_by_trapezoids([1, 0.5, 0], [0, 0.25, 1]) == pytest.approx(0.375)


def test_average_overlap_leaves_out_frames_without_a_target():
    truth = [[0, 0, 10, 10], [np.nan] * 4, [5, 5, 0, 0], [0, 0, 10, 10]]
    boxes = [[0, 0, 10, 10], [1, 1, 5, 5], [5, 5, 2, 2], [0, 0, 5, 10]]
    assert metrics.average_overlap(boxes, truth) == pytest.approx(0.75)
    assert math.isnan(metrics.average_overlap(boxes[1:3], truth[1:3]))


def test_average_overlap_counts_a_frame_without_prediction_as_zero():
    truth = [[0, 0, 10, 10], [0, 0, 10, 10]]
    assert metrics.average_overlap([[0, 0, 10, 10], [np.nan] * 4], truth) == pytest.approx(0.5)
