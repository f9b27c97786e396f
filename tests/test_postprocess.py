import math

import numpy as np
import pytest

from rgbt_track.tracking.selection import choose, cosine_window


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


def test_window_peaks_in_the_middle_of_every_anchor() -> None:
    window = cosine_window(2, 9).reshape(2, 9, 9)
    assert window[0].argmax() == 40 and window.max() == 1
    np.testing.assert_array_equal(window[0], window[1])


def test_an_overflowing_head_still_gives_a_finite_box() -> None:
    anchors = np.tile([0.0, 0.0, 64.0, 64.0], (9, 1))
    loc = np.full((4, 9), 1e4)
    winner = choose(np.ones(9), loc, anchors, cosine_window(1, 3), (50, 50), 0.1, 0.4)
    assert np.isfinite(winner.box_cxcywh).all() and np.isfinite(winner.penalty)
