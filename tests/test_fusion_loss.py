"""Eq. 15 against its loop-written twin, and its edges."""

from __future__ import annotations

import fusion_references as reference
import pytest
import torch
from torch import Tensor

from fusion_modules import FusionLoss
from fusion_modules.loss import gram


def levels(seed: int, count: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 3, 5, 4), (2, 4, 3, 5), (2, 5, 4, 3)]
    return [
        torch.randn(shapes[i % 3], generator=generator, dtype=torch.float64) for i in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_eq_15(seed: int) -> None:
    fused, rgb, tir = levels(seed), levels(seed + 10), levels(seed + 20)
    losses = FusionLoss()(fused, rgb, tir)
    arrays = [[reference.array(x) for x in given] for given in (fused, rgb, tir)]
    expected = reference.feature_loss(*arrays)
    assert list(losses) == ["shallow", "middle", "deep", "total"]
    for key, value in expected.items():
        assert losses[key].shape == () and losses[key].item() == pytest.approx(value, rel=1e-9)


def test_each_weight_is_an_argument() -> None:
    fused, rgb, tir = levels(0), levels(1), levels(2)
    plain = FusionLoss()(fused, rgb, tir)
    scaled = FusionLoss(shallow=1.0, middle=1.0, deep=1.0)(fused, rgb, tir)
    for key, gamma in {"shallow": 10.0, "middle": 2.0, "deep": 2000.0}.items():
        torch.testing.assert_close(plain[key], gamma * scaled[key])
    terms = {
        "shallow_rgb": "shallow",
        "middle_tir": "middle",
        "middle_rgb": "middle",
        "deep_tir": "deep",
        "deep_rgb": "deep",
    }
    for argument, term in terms.items():
        other = FusionLoss(**{argument: 0.25})(fused, rgb, tir)
        moved = {key for key in ("shallow", "middle", "deep") if other[key] != plain[key]}
        assert moved == {term}, argument


def test_loss_is_zero_at_its_targets() -> None:
    rgb, tir = levels(1), levels(2)
    fused = [3 * rgb[0], 2 * tir[1] + rgb[1], 2**0.5 * tir[2]]
    rgb[2] = torch.zeros_like(rgb[2])  # then the Gram target is that of sqrt(2) infrared
    assert FusionLoss()(fused, rgb, tir)["total"].item() == pytest.approx(0.0, abs=1e-20)


def test_gradient_goes_into_the_fused_levels_alone() -> None:
    fused, rgb, tir = ([x.requires_grad_() for x in levels(seed)] for seed in range(3))
    FusionLoss()(fused, rgb, tir)["total"].backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in fused)
    assert all(x.grad is None for x in rgb + tir)


def test_gram_of_each_item_alone() -> None:
    x = levels(0)[0]
    for item in range(2):
        rows = x[item].reshape(3, 20)
        torch.testing.assert_close(gram(x)[item], rows @ rows.T / 60)


def test_half_precision_is_computed_in_single() -> None:
    """Also under autocast, or when only some levels are half: squares of 300 overflow fp16."""
    fused, rgb, tir = ([300 * x.half() for x in levels(seed)] for seed in range(3))
    wide = [[x.float() for x in given] for given in (fused, rgb, tir)]
    expected = FusionLoss()(*wide)["total"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(FusionLoss()(fused, rgb, tir)["total"], expected)
        assert torch.equal(FusionLoss()(fused, *wide[1:])["total"], expected)
    assert expected.isfinite() and expected.dtype == torch.float32


def test_levels_are_three_or_chosen() -> None:
    one = [levels(seed)[:1] for seed in range(3)]
    thrice = [given * 3 for given in one]
    expected = FusionLoss()(*thrice)
    assert FusionLoss(levels=(0, 0, 0))(*one) == expected
    five = [[*reversed(levels(seed)), *levels(seed)[:2]] for seed in range(3)]
    chosen = FusionLoss(levels=(2, 1, 0))(*five)
    assert chosen == FusionLoss()(*(levels(seed) for seed in range(3)))


def test_bad_levels_are_refused() -> None:
    fused, rgb, tir = levels(0), levels(1), levels(2)
    with pytest.raises(ValueError, match=r"fused has 1 levels; eq. 15 needs 3.*levels=\.\.\."):
        FusionLoss()(fused[:1], rgb[:1], tir[:1])
    with pytest.raises(ValueError, match=r"tir has 4 levels; eq. 15 needs 3"):
        FusionLoss()(fused, rgb, levels(2, 4))
    with pytest.raises(ValueError, match=r"rgb has 2 levels, too few for levels=\(0, 1, 2\)"):
        FusionLoss(levels=(0, 1, 2))(fused, rgb[:2], tir)
    with pytest.raises(ValueError, match=r"a fused level has shape .* but that of tir"):
        FusionLoss()(fused, rgb, [*tir[:2], tir[2][:1]])
    for bad in [(0, 1), (0, 1, -1)]:
        with pytest.raises(ValueError, match="expected three indices"):
            FusionLoss(levels=bad)  # type: ignore[arg-type]
