import math

import numpy as np
import pytest

from rgbt_track.postprocess import choose, cosine_window


def loop_choose(probability, loc, anchors, window, size, penalty_k, influence):
    """SiamRPN's rule, anchor by anchor."""

    def padded(w: float, h: float) -> float:
        return math.sqrt((w + (w + h) / 2) * (h + (w + h) / 2))

    best = None
    for i in range(len(probability)):
        w, h = anchors[i][2] * math.exp(loc[2][i]), anchors[i][3] * math.exp(loc[3][i])
        scale = padded(w, h) / padded(*size)
        ratio = (size[0] / size[1]) / (w / h)
        penalty = math.exp(-(max(scale, 1 / scale) * max(ratio, 1 / ratio) - 1) * penalty_k)
        score = penalty * probability[i] * (1 - influence) + window[i] * influence
        if best is None or score > best[0]:
            x = anchors[i][0] + loc[0][i] * anchors[i][2]
            y = anchors[i][1] + loc[1][i] * anchors[i][3]
            best = (score, [x, y, w, h], probability[i], penalty)
    return best[1:]


@pytest.mark.parametrize("seed", range(6))
def test_choose_against_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, k = 7, 3
    count = k * size * size
    anchors = np.concatenate([rng.uniform(-60, 60, (count, 2)), rng.uniform(20, 90, (count, 2))], 1)
    arguments = (
        rng.uniform(0, 1, count),
        rng.normal(0, 0.3, (4, count)),
        anchors,
        cosine_window(k, size),
        (40.0, 70.0),
        0.1,
        0.4,
    )
    winner = choose(*arguments)
    box, probability, penalty = loop_choose(*arguments)
    np.testing.assert_allclose(winner.box_cxcywh, box, rtol=1e-9)
    assert winner.probability == pytest.approx(probability)
    assert winner.penalty == pytest.approx(penalty)


def loop_iou(a, b):
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(w, 0) * max(h, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


@pytest.mark.parametrize("least", [0.2, 0.6, 1.0])
def test_box_voting_against_loop(least: float) -> None:
    rng = np.random.default_rng(1)
    size, k = 7, 3
    count = k * size * size
    anchors = np.concatenate([rng.uniform(-9, 9, (count, 2)), rng.uniform(40, 50, (count, 2))], 1)
    loc, probability = rng.normal(0, 0.1, (4, count)), rng.uniform(0, 1, count)
    arguments = (probability, loc, anchors, cosine_window(k, size), (40.0, 70.0), 0.1, 0.4)
    alone, voted = choose(*arguments), choose(*arguments, least)
    total, weights, voters = np.zeros(4), 0.0, 0
    for i in range(count):
        box = [
            anchors[i][0] + loc[0][i] * anchors[i][2],
            anchors[i][1] + loc[1][i] * anchors[i][3],
            anchors[i][2] * math.exp(loc[2][i]),
            anchors[i][3] * math.exp(loc[3][i]),
        ]
        overlap = loop_iou(box, alone.box_cxcywh)
        if probability[i] >= 0.5 * alone.probability and overlap >= least - 1e-12:
            total += probability[i] * overlap * np.array(box)
            weights += probability[i] * overlap
            voters += 1
    assert voters == 1 if least == 1 else 5 < voters < count
    np.testing.assert_allclose(voted.box_cxcywh, total / weights, rtol=1e-9)
    assert (voted.probability, voted.penalty) == (alone.probability, alone.penalty)


def test_where_nothing_is_believed_nobody_votes() -> None:
    anchors = np.tile([3.0, 0.0, 64.0, 64.0], (9, 1))
    winner = choose(
        np.zeros(9), np.zeros((4, 9)), anchors, cosine_window(1, 3), (50, 50), 0.1, 0.4, 0.5
    )
    assert winner.box_cxcywh.tolist() == [3, 0, 64, 64]


def test_window_peaks_in_the_middle_of_every_anchor() -> None:
    window = cosine_window(2, 9).reshape(2, 9, 9)
    assert window[0].argmax() == 40 and window.max() == 1
    np.testing.assert_array_equal(window[0], window[1])


def test_an_overflowing_head_still_gives_a_finite_box() -> None:
    anchors = np.tile([0.0, 0.0, 64.0, 64.0], (9, 1))
    loc = np.full((4, 9), 1e4)
    winner = choose(np.ones(9), loc, anchors, cosine_window(1, 3), (50, 50), 0.1, 0.4)
    assert np.isfinite(winner.box_cxcywh).all() and np.isfinite(winner.penalty)
