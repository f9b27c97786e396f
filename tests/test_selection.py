import math

import numpy as np
import pytest

from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.tracking.selection import cosine_window, select_anchor


def loop_select(probability, loc, anchors, window, size, penalty_k, influence):
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
@pytest.mark.parametrize("ratios", [(1.0,), (0.33, 1.0, 3.0)])
def test_select_anchor_against_loop(seed: int, ratios: tuple[float, ...]) -> None:
    rng = np.random.default_rng(seed)
    size, k = 7, len(ratios)
    anchors = AnchorConfig(ratios=ratios)
    probability = rng.uniform(0, 1, (k, size, size))
    loc = rng.normal(0, 0.3, (4, k, size, size))
    selection = select_anchor(
        probability,
        loc,
        anchors=anchors,
        size_in_crop=(40.0, 70.0),
        penalty_k=0.1,
        window_influence=0.4,
    )
    box, probable, penalty = loop_select(
        probability.ravel(),
        loc.reshape(4, -1),
        anchor_boxes(anchors, size),
        cosine_window(k, size),
        (40.0, 70.0),
        0.1,
        0.4,
    )
    np.testing.assert_allclose(selection.box_cxcywh, box, rtol=1e-6)
    assert selection.probability == pytest.approx(probable)
    assert selection.penalty == pytest.approx(penalty)


def test_window_peaks_in_the_middle_of_every_anchor() -> None:
    window = cosine_window(2, 9).reshape(2, 9, 9)
    assert window[0].argmax() == 40 and window.max() == 1
    np.testing.assert_array_equal(window[0], window[1])


def test_boxes_that_overlap_the_best_one_vote_on_it() -> None:
    """Three cells with boxes beside each other and one far away, against the sum by hand."""
    probability = np.full((1, 3, 3), 0.0)
    loc = np.zeros((4, 1, 3, 3))
    for column, value in enumerate((0.6, 0.9, 0.8)):
        probability[0, 1, column] = value
    probability[0, 2, 2] = 0.85
    loc[:2, 0, 2, 2] = 2.0  # its box lies elsewhere
    loc[2, 0, 1, 2] = 0.1
    anchors = AnchorConfig(stride=8, ratios=(1.0,), scales=(6.0,))
    arguments = {
        "anchors": anchors,
        "size_in_crop": (48, 48),
        "penalty_k": 0,
        "window_influence": 0,
    }
    alone = select_anchor(probability, loc, **arguments)
    np.testing.assert_allclose(alone.box_cxcywh, [0, 0, 48, 48])
    voted = select_anchor(probability, loc, voting_overlap=0.5, **arguments)
    wide = 48 * math.exp(0.1)
    left, right = (48 - 8) / (48 + 8), (24 + wide / 2 - 8) / (24 + wide / 2 + 8)
    shares = {
        (-8, 48): 0.6**4 * (left - 0.5),
        (0, 48): 0.9**4 * 0.5,
        (8, wide): 0.8**4 * (right - 0.5),
    }
    total = sum(shares.values())
    expected_x = sum(share * x for (x, _), share in shares.items()) / total
    expected_w = sum(share * w for (_, w), share in shares.items()) / total
    np.testing.assert_allclose(voted.box_cxcywh, [expected_x, 0, expected_w, 48])
    assert (voted.probability, voted.penalty) == (alone.probability, alone.penalty)


@pytest.mark.parametrize("voting_overlap", [0.0, 0.7])
@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_an_overflowing_head_still_gives_a_finite_box(offset: float, voting_overlap: float) -> None:
    selection = select_anchor(
        np.ones((1, 3, 3)),
        np.full((4, 1, 3, 3), offset),
        anchors=AnchorConfig(ratios=(1.0,)),
        size_in_crop=(50.0, 50.0),
        penalty_k=0.1,
        window_influence=0.4,
        voting_overlap=voting_overlap,
    )
    assert np.isfinite(selection.box_cxcywh).all() and np.isfinite(selection.penalty)
    assert (selection.box_cxcywh[2:] > 0).all()
