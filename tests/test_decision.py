import numpy as np
import pytest

from rgbt_track.tracking.decision import (
    DECISIONS,
    BranchResponse,
    clarity,
    decide_adaptive,
    decide_fixed,
    sigmoid,
)

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
    out = DECISIONS[rule](branches, {})
    assert out.probability.shape == (5, SIZE, SIZE) and out.loc.shape == (4, 5, SIZE, SIZE)
    assert np.isfinite(out.probability).all() and np.isfinite(out.loc).all()
    assert out.probability.min() >= 0 and out.probability.max() <= 1
    assert set(out.trust) == set(names)
    again = DECISIONS[rule](branches, out.trust)
    assert np.isfinite(again.probability).all()


@pytest.mark.parametrize("rule", DECISIONS)
def test_one_branch_alone_decides(rule: str) -> None:
    branch = response({(4, 5): 3.0}, loc=0.25)
    out = DECISIONS[rule]({"tir": branch}, {})
    np.testing.assert_allclose(out.probability, sigmoid(branch.logit), rtol=1e-5)
    np.testing.assert_allclose(out.loc, branch.loc, rtol=1e-4)


def test_fixed_is_the_papers_average() -> None:
    rgb, tir, fused = response({(4, 5): 3.0}), response({(4, 5): 1.0}), response({(9, 9): 2.0})
    out = decide_fixed({"rgb": rgb, "tir": tir, "fused": fused}, {})
    expected = 0.5 * (0.5 * rgb.logit + 0.5 * tir.logit) / (0.5 + 0.5) + 0.5 * fused.logit
    np.testing.assert_allclose(out.probability, sigmoid(expected), rtol=1e-6)


def test_fixed_leaves_out_a_modality_that_sees_nothing() -> None:
    rgb, blind = response({(4, 5): 3.0}), response({})
    out = decide_fixed({"rgb": rgb, "tir": blind}, {})
    assert out.trust == {"rgb": 1.0, "tir": 0.0}
    np.testing.assert_allclose(out.probability, sigmoid(rgb.logit), rtol=1e-6)
    both_blind = decide_fixed({"rgb": blind, "tir": blind}, {})
    assert both_blind.trust == {"rgb": 0.5, "tir": 0.5}


def test_clarity_falls_with_blindness_and_with_rivals() -> None:
    clear = clarity(sigmoid(response({(4, 5): 4.0}).logit))
    rival = clarity(sigmoid(response({(4, 5): 4.0, (12, 12): 3.9}).logit))
    blind = clarity(sigmoid(response({(4, 5): -4.0}).logit))
    assert clear > rival > blind > 0


@pytest.mark.parametrize("confused", [{}, {(2, 2): 2.0, (12, 12): 2.0}])
def test_adaptive_follows_the_modality_that_sees(confused: dict[tuple[int, int], float]) -> None:
    tir, rgb = response({(7, 7): 3.0}), response(confused)
    out = decide_adaptive({"rgb": rgb, "tir": tir}, {})
    assert out.trust["tir"] > out.trust["rgb"]
    assert peak_of(out.probability) == (7, 7)


def test_adaptive_remembers() -> None:
    clear, blind = response({(7, 7): 3.0}), response({})
    trust: dict[str, float] = {}
    for _ in range(5):
        trust = decide_adaptive({"rgb": clear, "tir": blind}, trust).trust
    after_one = decide_adaptive({"rgb": blind, "tir": clear}, trust).trust
    assert after_one["rgb"] > after_one["tir"], "one frame must not overturn five"
    for _ in range(5):
        trust = decide_adaptive({"rgb": blind, "tir": clear}, trust).trust
    assert trust["tir"] > trust["rgb"]


def test_adaptive_discounts_a_branch_that_failed_its_test() -> None:
    """Both are equally sure of different places; the test tells them apart, and only the test."""
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 3.0})}
    out = decide_adaptive(branches, {}, {"rgb": 0.4, "tir": 0.9})
    assert peak_of(out.probability) == (10, 10)
    assert out.trust["rgb"] == pytest.approx(out.trust["tir"])
    assert peak_of(decide_adaptive(branches, {}, {"rgb": 0.9}).probability) == (10, 10)
    assert peak_of(decide_adaptive(branches, {}, {"tir": 0.9}).probability) == (3, 3)
    alone = {"rgb": branches["rgb"]}
    failed = decide_adaptive(alone, {}, {"rgb": 0.0})
    np.testing.assert_allclose(failed.probability, decide_adaptive(alone, {}).probability)


def test_adaptive_takes_the_box_from_the_branch_that_believes_in_it() -> None:
    out = decide_adaptive(
        {"rgb": response({(7, 7): 4.0}, loc=0.5), "tir": response({}, loc=-3.0)}, {}
    )
    assert out.loc[0, 0, 7, 7] == pytest.approx(0.5, abs=0.05)


def weighted_logits(branches: dict[str, BranchResponse], weights: dict[str, float]) -> np.ndarray:
    """The weighted mean of the branches' logits, as a probability."""
    total = sum(weights[name] * branch.logit for name, branch in branches.items())
    return sigmoid(total / sum(weights.values()))


def test_adaptive_weights_are_the_squares_of_trust() -> None:
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 0.5, (2, 9): 0.2})}
    out = decide_adaptive(branches, {})
    assert 1.2 < out.trust["rgb"] / out.trust["tir"] < 5
    squares = {name: trust**2 for name, trust in out.trust.items()}
    np.testing.assert_allclose(out.probability, weighted_logits(branches, squares), rtol=1e-5)


def test_adaptive_weights_grow_with_the_fourth_power_of_what_the_test_showed() -> None:
    branches = {"rgb": response({(3, 3): 3.0}), "tir": response({(10, 10): 3.0})}
    out = decide_adaptive(branches, {}, {"rgb": 0.6, "tir": 0.9})
    powers = {"rgb": 0.6**4, "tir": 0.9**4}
    np.testing.assert_allclose(out.probability, weighted_logits(branches, powers), rtol=1e-5)


@pytest.mark.parametrize("rule", DECISIONS)
def test_logits_are_averaged_and_not_probabilities(rule: str) -> None:
    """Where one branch is sure that there is nothing, another's belief does not outweigh it."""
    branches = {
        "rgb": response({(3, 3): 2.0, (10, 10): 6.0}, floor=-20.0),
        "tir": response({(3, 3): 2.0, (10, 10): -20.0}, floor=-20.0),
    }
    out = DECISIONS[rule](branches, {"rgb": 0.5, "tir": 0.5})
    assert peak_of(out.probability) == (3, 3)
    assert out.probability[0, 10, 10] < 0.05, "the mean of the probabilities is about a half"


def test_cells_beside_a_peak_belong_to_it() -> None:
    """Three cells each way are one peak; a fourth is away from it and counts half against it."""

    def margin(other: tuple[int, int]) -> float:
        return clarity(sigmoid(response({(7, 7): 4.0, other: 3.9}).logit))

    alone = clarity(sigmoid(response({(7, 7): 4.0}).logit))
    for near in ((7, 8), (7, 10), (4, 7), (10, 4)):
        assert margin(near) == alone, near
    for far in ((7, 11), (3, 7), (11, 3)):
        assert margin(far) == pytest.approx(sigmoid(4.0) - 0.5 * sigmoid(3.9)), far
