from functools import partial

import numpy as np
import pytest

from rgbt_track.config.tracker import AnchorConfig, DecisionConfig
from rgbt_track.models.engines.interface import BranchResponse, sigmoid
from rgbt_track.tracking.decision import (
    DECISIONS,
    Decision,
    DecisionContext,
    peak_margin,
)
from rgbt_track.tracking.selection import select_anchors

SIZE = 15


def response(
    peaks: dict[tuple[int, int], float], floor: float = -6.0, loc: float = 0.0
) -> BranchResponse:
    """Two anchors; foreground logits at ``floor`` with peaks at (row, column) of anchor 0."""
    cls = np.zeros((2, 2, SIZE, SIZE), np.float32)
    cls[1] = floor
    for (row, column), value in peaks.items():
        cls[1, 0, row, column] = value
    return BranchResponse(cls, np.full((4, 2, SIZE, SIZE), loc, np.float32))


def decide(
    rule: str,
    responses: dict[str, BranchResponse],
    confidence: dict[str, float] | None = None,
    reliability: dict[str, float] | None = None,
    **constants: float,
) -> Decision:
    """The decision of one frame; boxes are selected with neither penalty nor window."""
    count = len(next(iter(responses.values())).logit)
    select = partial(
        select_anchors,
        anchors=AnchorConfig(ratios=(1.0,) * count),
        size_in_crop=(64.0, 64.0),
        penalty_k=0.0,
        window_influence=0.0,
    )
    config = DecisionConfig(**constants)  # type: ignore[arg-type]
    context = DecisionContext(select, confidence or {}, reliability or {}, config)
    return DECISIONS[rule](responses, context)


def peak_of(probability: np.ndarray) -> tuple[int, int]:
    _, row, column = np.unravel_index(probability.argmax(), probability.shape)
    return int(row), int(column)


@pytest.mark.parametrize("rule", DECISIONS)
@pytest.mark.parametrize(
    "names", [("rgb",), ("tir",), ("rgb", "tir"), ("rgb", "tir", "fused"), ("fused",)]
)
def test_contract(rule: str, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    branches = {
        name: BranchResponse(
            rng.normal(0, 40, (2, 5, SIZE, SIZE)).astype(np.float32),
            rng.normal(0, 1, (4, 5, SIZE, SIZE)).astype(np.float32),
        )
        for name in names
    }
    out = decide(rule, branches)
    assert out.probability.shape == (5, SIZE, SIZE) and out.loc.shape == (4, 5, SIZE, SIZE)
    assert np.isfinite(out.probability).all() and np.isfinite(out.loc).all()
    assert out.probability.min() >= 0 and out.probability.max() <= 1
    assert set(out.confidence) == set(names)
    again = decide(rule, branches, out.confidence)
    assert np.isfinite(again.probability).all()


@pytest.mark.parametrize("rule", DECISIONS)
def test_one_branch_alone_decides(rule: str) -> None:
    branch = response({(4, 5): 3.0}, loc=0.25)
    out = decide(rule, {"tir": branch})
    np.testing.assert_allclose(out.probability, sigmoid(branch.logit), rtol=1e-5)
    np.testing.assert_allclose(out.loc, branch.loc, rtol=1e-4)


def test_fixed_is_the_papers_average() -> None:
    rgb, tir, fused = response({(4, 5): 3.0}), response({(4, 5): 1.0}), response({(9, 9): 2.0})
    out = decide("fixed", {"rgb": rgb, "tir": tir, "fused": fused})
    expected = 0.5 * (0.5 * rgb.logit + 0.5 * tir.logit) / (0.5 + 0.5) + 0.5 * fused.logit
    np.testing.assert_allclose(out.probability, sigmoid(expected), rtol=1e-6)


def test_dfat_halves_the_logits_of_two_modalities() -> None:
    """cls = 0.5 (w_r cls_r + w_i cls_i) / (w_r + w_i); as ``fixed`` with a fused branch."""
    branches = {
        "rgb": response({(4, 4): 3.0}, floor=-4, loc=1.0),
        "tir": response({(9, 2): 5.0}, floor=-2, loc=2.0),
    }
    out = decide("dfat", branches)
    mean = 0.5 * branches["rgb"].logit + 0.5 * branches["tir"].logit
    np.testing.assert_allclose(out.probability, sigmoid(0.5 * mean), rtol=1e-6)
    assert (out.loc == 1.5).all()
    blind = {**branches, "tir": response({}, floor=-2)}
    half = sigmoid(0.5 * branches["rgb"].logit)
    np.testing.assert_allclose(decide("dfat", blind).probability, half, rtol=1e-6)
    branches["fused"] = response({(4, 4): 1.0})
    one, other = decide("dfat", branches), decide("fixed", branches)
    np.testing.assert_array_equal(one.probability, other.probability)


def test_fixed_leaves_out_a_modality_that_sees_nothing() -> None:
    rgb, empty = response({(4, 5): 3.0}), response({})
    out = decide("fixed", {"rgb": rgb, "tir": empty})
    assert out.confidence == {"rgb": 1.0, "tir": 0.0}
    np.testing.assert_allclose(out.probability, sigmoid(rgb.logit), rtol=1e-6)
    both_empty = decide("fixed", {"rgb": empty, "tir": empty})
    assert both_empty.confidence == {"rgb": 0.5, "tir": 0.5}


def test_the_peak_margin_falls_without_a_peak_and_with_a_second_one() -> None:
    clear = peak_margin(sigmoid(response({(4, 5): 4.0}).logit))
    two = peak_margin(sigmoid(response({(4, 5): 4.0, (12, 12): 3.9}).logit))
    low = peak_margin(sigmoid(response({(4, 5): -4.0}).logit))
    assert clear > two > low > 0


@pytest.mark.parametrize("confused", [{}, {(2, 2): 2.0, (12, 12): 2.0}])
def test_adaptive_follows_the_modality_that_sees(confused: dict[tuple[int, int], float]) -> None:
    tir, rgb = response({(7, 7): 3.0}), response(confused)
    out = decide("adaptive", {"rgb": rgb, "tir": tir})
    assert out.confidence["tir"] > out.confidence["rgb"]
    assert peak_of(out.probability) == (7, 7)


def test_adaptive_remembers() -> None:
    clear, empty = response({(7, 7): 3.0}), response({})
    confidence: dict[str, float] = {}
    for _ in range(5):
        confidence = decide("adaptive", {"rgb": clear, "tir": empty}, confidence).confidence
    after_one = decide("adaptive", {"rgb": empty, "tir": clear}, confidence).confidence
    assert after_one["rgb"] > after_one["tir"], "one frame must not overturn five"
    for _ in range(5):
        confidence = decide("adaptive", {"rgb": empty, "tir": clear}, confidence).confidence
    assert confidence["tir"] > confidence["rgb"]


def test_adaptive_discounts_a_branch_of_low_reliability() -> None:
    """Both peaks are equally high, in different places; only the reliability tells them apart."""
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 3.0})}
    out = decide("adaptive", branches, {}, {"rgb": 0.4, "tir": 0.9})
    assert peak_of(out.probability) == (10, 10)
    assert out.confidence["rgb"] == pytest.approx(out.confidence["tir"])
    assert peak_of(decide("adaptive", branches, {}, {"rgb": 0.9}).probability) == (10, 10)
    assert peak_of(decide("adaptive", branches, {}, {"tir": 0.9}).probability) == (3, 3)
    alone = {"rgb": branches["rgb"]}
    unreliable = decide("adaptive", alone, {}, {"rgb": 0.0})
    np.testing.assert_allclose(unreliable.probability, decide("adaptive", alone).probability)


def test_adaptive_takes_the_box_from_the_branch_with_the_peak() -> None:
    branches = {"rgb": response({(7, 7): 4.0}, loc=0.5), "tir": response({}, loc=-3.0)}
    out = decide("adaptive", branches)
    assert out.loc[0, 0, 7, 7] == pytest.approx(0.5, abs=0.05)


def weighted_logits(branches: dict[str, BranchResponse], weights: dict[str, float]) -> np.ndarray:
    """The weighted mean of the branches' logits, as a probability."""
    total = sum(weights[name] * branch.logit for name, branch in branches.items())
    return sigmoid(total / sum(weights.values()))


def test_adaptive_weights_are_the_squares_of_confidence() -> None:
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 0.5, (2, 9): 0.2})}
    out = decide("adaptive", branches)
    assert 1.2 < out.confidence["rgb"] / out.confidence["tir"] < 5
    squares = {name: confidence**2 for name, confidence in out.confidence.items()}
    np.testing.assert_allclose(out.probability, weighted_logits(branches, squares), rtol=1e-5)


def test_adaptive_weights_grow_with_the_fourth_power_of_reliability() -> None:
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 3.0})}
    out = decide("adaptive", branches, {}, {"rgb": 0.6, "tir": 0.9})
    powers = {"rgb": 0.6**4, "tir": 0.9**4}
    np.testing.assert_allclose(out.probability, weighted_logits(branches, powers), rtol=1e-5)


@pytest.mark.parametrize("rule", DECISIONS)
def test_logits_are_averaged_and_not_probabilities(rule: str) -> None:
    """Strong evidence of one branch against a place is not outweighed by another's peak there."""
    branches = {
        "rgb": response({(3, 3): 2.0, (10, 10): 6.0}, floor=-20.0),
        "tir": response({(3, 3): 2.0, (10, 10): -20.0}, floor=-20.0),
    }
    out = decide(rule, branches, {"rgb": 0.5, "tir": 0.5})
    assert peak_of(out.probability) == (3, 3)
    assert out.probability[0, 10, 10] < 0.05, "the mean of the probabilities is about a half"


def test_cells_beside_a_peak_belong_to_it() -> None:
    """Three cells each way are one peak; a fourth is away from it and counts half against it."""

    def margin(other: tuple[int, int]) -> float:
        return peak_margin(sigmoid(response({(7, 7): 4.0, other: 3.9}).logit))

    alone = peak_margin(sigmoid(response({(7, 7): 4.0}).logit))
    for near in ((7, 8), (7, 10), (4, 7), (10, 4)):
        assert margin(near) == alone, near
    for far in ((7, 11), (3, 7), (11, 3)):
        assert margin(far) == pytest.approx(sigmoid(4.0) - 0.5 * sigmoid(3.9)), far


def test_agreement_leaves_out_the_branch_that_no_other_follows() -> None:
    """A blind branch with the clearest peak of all, as RGB has in smoke, is outvoted."""
    responses = {
        "rgb": response({(2, 2): 8.0}),
        "tir": response({(10, 10): 4.0}),
        "fused": response({(10, 10): 4.0}),
    }
    decision = decide("agreement", responses)
    assert peak_of(decision.probability) == (10, 10)
    assert decision.probability[0, 2, 2] < 0.01
    # Averaging, the other rules still see the wrong peak.
    assert decide("fixed", responses).probability[0, 2, 2] > 0.05


def test_agreement_follows_the_more_confident_of_two_branches() -> None:
    responses = {"rgb": response({(2, 2): 8.0}), "tir": response({(10, 10): 1.0})}
    assert peak_of(decide("agreement", responses).probability) == (2, 2)
    remembered = {"rgb": 0.1, "tir": 0.9}
    assert peak_of(decide("agreement", responses, remembered).probability) == (10, 10)


def test_agreeing_branches_are_joined_by_the_squares_of_their_confidence() -> None:
    responses = {"rgb": response({(7, 7): 3.0}), "tir": response({(7, 7): 1.0})}
    decision = decide("agreement", responses)
    confidence = {name: peak_margin(item.probability) for name, item in responses.items()}
    assert decision.confidence == pytest.approx(confidence)
    weights = np.array([confidence["rgb"], confidence["tir"]]) ** 2
    expected = sigmoid(np.array((weights * [3.0, 1.0]).sum() / weights.sum()))
    assert decision.probability[0, 7, 7] == pytest.approx(float(expected))


@pytest.mark.parametrize(("rule", "own"), [("adaptive", 0.7), ("agreement", 0.9)])
def test_the_memory_is_the_rules_own_unless_it_is_set(rule: str, own: float) -> None:
    seen = {"tir": response({(7, 7): 3.0})}
    margin = peak_margin(seen["tir"].probability)
    for memory, constants in ((own, {}), (0.25, {"memory": 0.25}), (0.0, {"memory": 0.0})):
        confidence = decide(rule, seen, {"tir": 0.2}, **constants).confidence["tir"]
        assert confidence == pytest.approx(memory * 0.2 + (1 - memory) * margin)


def test_the_powers_set_how_weights_grow() -> None:
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 0.5})}
    reliability = {"rgb": 0.6, "tir": 0.9}
    for rule, power, other in (("adaptive", 1.5, 3.0), ("agreement", 1.5, 0.0)):
        powers = {"confidence_power": power, "reliability_power": other}
        out = decide(rule, branches, {}, reliability, **powers)
        weights = {
            name: value**power * reliability[name] ** other
            for name, value in out.confidence.items()
        }
        if rule == "agreement":  # these boxes hardly overlap, so the leader is alone
            weights["tir"] = 0.0
        expected = weighted_logits(branches, weights)
        np.testing.assert_allclose(out.probability, expected, rtol=1e-5)


def test_the_agreement_sets_whose_boxes_are_joined() -> None:
    """Two anchors a cell of 8 pixels apart, 64 wide and high: they overlap by 56 / 72 = 0.78."""
    branches = {"rgb": response({(7, 7): 6.0}), "tir": response({(7, 8): 2.0})}
    joined = decide("agreement", branches, agreement=0.77).probability[0, 7, 7]
    alone = decide("agreement", branches, agreement=0.79).probability[0, 7, 7]
    assert alone == pytest.approx(sigmoid(np.array(6.0))) and joined < alone - 0.1
    for agreement in (0.0, 1.0):
        assert np.isfinite(decide("agreement", branches, agreement=agreement).probability).all()


def test_the_radius_and_weight_of_the_second_peak_are_settings() -> None:
    probability = sigmoid(response({(7, 7): 4.0, (7, 9): 3.0}).logit)
    high, low = (float(sigmoid(np.array(value))) for value in (4.0, 3.0))
    rest = float(sigmoid(np.array(-6.0)))
    assert peak_margin(probability, 1, 0.5) == pytest.approx(high - 0.5 * low)
    assert peak_margin(probability, 1, 0.25) == pytest.approx(high - 0.25 * low)
    assert peak_margin(probability, 2, 0.5) == pytest.approx(high - 0.5 * rest)


@pytest.mark.parametrize(
    "values",
    [{"memory": 1.0}, {"memory": -0.1}, {"agreement": 1.5}, {"peak_radius": -1}],
)
def test_constants_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))} is"):
        DecisionConfig(**values)  # type: ignore[arg-type]


def test_a_group_of_unreliable_branches_is_outvoted_by_a_reliable_one() -> None:
    responses = {
        "rgb": response({(2, 2): 4.0}),
        "tir": response({(10, 10): 4.0}),
        "fused": response({(2, 2): 4.0}),
    }
    assert peak_of(decide("agreement", responses).probability) == (2, 2)
    reliability = {"rgb": 0.1, "tir": 0.9, "fused": 0.3}
    outvoted = decide("agreement", responses, reliability=reliability)
    assert peak_of(outvoted.probability) == (10, 10)
