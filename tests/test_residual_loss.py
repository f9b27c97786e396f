"""RFN's feature loss against a twin in loops, and its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fusion_modules import ResidualLoss
from fusion_modules.residual_loss import level_ssim


def levels(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 13, 4, 3), (2, 5, 3, 3), (2, 12, 5, 4)]
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def ssim_loop(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """SSIM of one item, window by window; a and b are (C, H W), the range is that of ``fused``."""
    low = -1.0 if fused.min() < -0.5 else 0.0
    high = 255.0 if fused.max() > 128 else 1.0
    c1, c2 = (0.01 * (high - low)) ** 2, (0.03 * (high - low)) ** 2
    side = min(11, *a.shape)
    line = [math.exp(-((i - side // 2) ** 2) / (2 * 1.5**2)) for i in range(side)]
    window = np.outer(line, line) / np.sum(line) ** 2
    values = []
    for y in range(a.shape[0] - side + 1):
        for x in range(a.shape[1] - side + 1):
            p, q = a[y : y + side, x : x + side], b[y : y + side, x : x + side]
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p = (window * p * p).sum() - mean_p**2
            var_q = (window * q * q).sum() - mean_q**2
            cov = (window * p * q).sum() - mean_p * mean_q
            top = (2 * mean_p * mean_q + c1) * (2 * cov + c2)
            values.append(top / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [0.1, 1.0, 200.0])
def test_loss_is_that_of_the_published_code(seed: int, scale: float) -> None:
    fused = [x * scale for x in levels(seed)]
    rgb, tir = levels(seed + 10), levels(seed + 20)
    losses = ResidualLoss()(fused, rgb, tir)
    features, similarity = 0.0, 0.0
    for f, r, i in zip(fused, rgb, tir, strict=True):
        error = (f - (4 * i + 0.5 * r)).square().sum().item() / f.numel()
        features += error / (f.shape[1] * f.shape[2] * f.shape[3])
        items = [
            ssim_loop(*(x[b].flatten(1).numpy() + 1e-5 for x in (f, r)), f.numpy())
            for b in range(len(f))
        ]
        similarity += 1 - sum(items) / len(items)
    assert losses["features"].item() == pytest.approx(features, rel=1e-9)
    assert losses["similarity"].item() == pytest.approx(similarity, rel=1e-6)
    assert losses["total"].item() == pytest.approx(features + similarity, rel=1e-6)


def test_gradient_goes_into_the_fused_levels_alone() -> None:
    fused, rgb, tir = ([x.requires_grad_() for x in levels(seed)] for seed in range(3))
    ResidualLoss()(fused, rgb, tir)["total"].backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in fused)
    assert all(x.grad is None for x in (*rgb, *tir))


def test_equal_levels_are_as_similar_as_can_be() -> None:
    level = levels(0)[0]
    assert level_ssim(level, level).item() == pytest.approx(1.0)


def test_the_constants_are_arguments() -> None:
    rgb, tir = levels(1), levels(2)
    fused = [2.0 * t + 3.0 * r for r, t in zip(rgb, tir, strict=True)]
    assert ResidualLoss(tir=2.0, rgb=3.0)(fused, rgb, tir)["features"].item() < 1e-20


def test_levels_that_do_not_belong_together_are_refused() -> None:
    one, other = levels(0), levels(1)
    with pytest.raises(ValueError, match="2 fused levels, 3 of rgb and 3 of tir"):
        ResidualLoss()(one[:2], other, other)
    with pytest.raises(ValueError, match="a fused level has shape"):
        ResidualLoss()(one[::-1], other, other)
