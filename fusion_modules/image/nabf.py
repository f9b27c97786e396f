"""The modified measure of fusion artifacts, Nabf: fused edges that neither source has.

B. K. Shreyamsha Kumar, *Multifocus and multispectral image fusion based on pixel significance using
discrete cosine harmonic wavelet transform*, SIViP 7, 2013, after C. S. Xydeas, V. Petrovic,
*Objective image fusion performance measure*, 2000. Where the fused gradient is stronger than both
sources', the share of each source's edge that is not preserved counts, weighted by the source's
gradient strength above a threshold of 2. On images in [0, 1], as in the tables, no gradient reaches
it, so all weights are equal.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_THRESHOLD = 2.0
_MIN_WEIGHT = 0.001
_WEIGHT_POWER = 1.5
_STRENGTH = (0.9999, 19.0, 0.5)
_ORIENTATION = (0.9995, 22.0, 0.5)


def nabf(fused: Tensor, a: Tensor, b: Tensor) -> float:
    """Nabf of (H, W) double images in [0, 1]; 0 is none, smaller is better."""
    strength_f, angle_f = _edges(fused)
    losses, weights, is_artifact = [], [], torch.ones_like(fused, dtype=torch.bool)
    for source in (a, b):
        strength, angle = _edges(source)
        # How much of the source's edge the fused image preserves, per pixel, in [0, 1].
        low, high = torch.minimum(strength, strength_f), torch.maximum(strength, strength_f)
        ratio = torch.where(low == 0, 0.0, low / high)
        alignment = ((angle - angle_f).abs() - math.pi / 2).abs() * 2 / math.pi
        preserved = (_sigmoid(ratio, *_STRENGTH) * _sigmoid(alignment, *_ORIENTATION)).sqrt()
        losses.append(1 - preserved)
        is_strong = strength >= _THRESHOLD
        weights.append(strength.pow(_WEIGHT_POWER).where(is_strong, fused.new_tensor(_MIN_WEIGHT)))
        is_artifact &= strength_f > strength
    artifacts = torch.where(is_artifact, losses[0] * weights[0] + losses[1] * weights[1], 0.0)
    return float(artifacts.sum() / (weights[0] + weights[1]).sum())


def _sigmoid(x: Tensor, height: float, slope: float, middle: float) -> Tensor:
    return height / (1 + torch.exp(-slope * (x - middle)))


def _edges(image: Tensor) -> tuple[Tensor, Tensor]:
    """Strength and orientation of the Sobel gradient (divided by 8) over a mirrored border.

    Sums run down each column and then over the columns, always in this order: Nabf compares
    gradients, and those that are equal in exact arithmetic must be rounded alike.
    """
    x = F.pad(image[None, None], (1, 1, 1, 1), mode="reflect")[0, 0] / 8
    top, middle, bottom = x[:-2], x[1:-1], x[2:]
    column = top + 2 * middle + bottom
    gradient_x = column[:, 2:] - column[:, :-2]
    step = bottom - top
    gradient_y = step[:, :-2] + 2 * step[:, 1:-1] + step[:, 2:]
    angle = torch.atan(gradient_x / gradient_y)
    angle = angle.masked_fill((gradient_x == 0) & (gradient_y == 0), 0)
    return (gradient_y.square() + gradient_x.square()).sqrt(), angle
