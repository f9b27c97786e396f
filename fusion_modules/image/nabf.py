"""The modified measure of fusion artifacts, Nabf: fused edges that neither source has.

B. K. Shreyamsha Kumar, *Multifocus and multispectral image fusion based on pixel significance using
discrete cosine harmonic wavelet transform*, SIViP 7, 2013, after C. S. Xydeas, V. Petrovic,
*Objective image fusion performance measure*, 2000. Where the fused gradient is stronger than both
sources', what is not preserved of either counts, weighted by the source's gradient strength above a
threshold of 2. On pictures in [0, 1], as the tables have them, no gradient reaches it, so all
weights are equal.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_THRESHOLD = 2.0
_SMALLEST_WEIGHT = 0.001
_WEIGHT_POWER = 1.5
_STRENGTH = (0.9999, 19.0, 0.5)
_ORIENTATION = (0.9995, 22.0, 0.5)


def nabf(fused: Tensor, a: Tensor, b: Tensor) -> float:
    """Nabf of (H, W) double pictures in [0, 1]; 0 is none, smaller is better."""
    strength_f, angle_f = _edges(fused)
    lost, weights, stronger = [], [], torch.ones_like(fused, dtype=torch.bool)
    for source in (a, b):
        strength, angle = _edges(source)
        lost.append(1 - _preserved(strength, angle, strength_f, angle_f))
        heavy = strength >= _THRESHOLD
        weights.append(strength.pow(_WEIGHT_POWER).where(heavy, fused.new_tensor(_SMALLEST_WEIGHT)))
        stronger &= strength_f > strength
    artifacts = torch.where(stronger, lost[0] * weights[0] + lost[1] * weights[1], 0.0)
    return float(artifacts.sum() / (weights[0] + weights[1]).sum())


def _preserved(strength: Tensor, angle: Tensor, strength_f: Tensor, angle_f: Tensor) -> Tensor:
    """How much of a source's edge the fused picture keeps, per pixel, in [0, 1]."""
    low, high = torch.minimum(strength, strength_f), torch.maximum(strength, strength_f)
    ratio = torch.where(low == 0, 0.0, low / high)
    alignment = ((angle - angle_f).abs() - math.pi / 2).abs() * 2 / math.pi
    return (_sigmoid(ratio, *_STRENGTH) * _sigmoid(alignment, *_ORIENTATION)).sqrt()


def _sigmoid(x: Tensor, height: float, slope: float, middle: float) -> Tensor:
    return height / (1 + torch.exp(-slope * (x - middle)))


def _edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Strength and orientation of the Sobel gradient (divided by 8) over a mirrored border.

    Sums run down each column and then over the columns: gradients that are equal in exact numbers
    must stay equal, or unequal in the same way, because Nabf asks which of two is larger.
    """
    x = F.pad(picture[None, None], (1, 1, 1, 1), mode="reflect")[0, 0] / 8
    top, middle, bottom = x[:-2], x[1:-1], x[2:]
    column = top + 2 * middle + bottom
    across = column[:, 2:] - column[:, :-2]
    step = bottom - top
    down = step[:, :-2] + 2 * step[:, 1:-1] + step[:, 2:]
    angle = torch.atan(across / down).masked_fill((across == 0) & (down == 0), 0)
    return (down.square() + across.square()).sqrt(), angle
