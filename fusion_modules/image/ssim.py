"""Structural similarity as MATLAB's ``ssim`` computes it.

Z. Wang et al., *Image Quality Assessment*, TIP 13(4), 2004: Gaussian window 11x11, sigma 1.5,
K = 0.01 and 0.03, dynamic range 1, population moments, edges replicated, mean over the full map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_RADIUS = 5
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(a: Tensor, b: Tensor) -> float:
    """SSIM of two (H, W) double images in [0, 1], in [-1, 1]."""
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a**2
    variance_b = _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return float((luminance * structure).mean())


def _blur(values: Tensor) -> Tensor:
    """Gaussian blur, over rows and then columns, with replicated edges."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=values.dtype)
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights = weights / weights.sum()
    padded = F.pad(values[None, None], (_RADIUS,) * 4, mode="replicate")
    rows = F.conv2d(padded, weights.view(1, 1, 1, -1))
    return F.conv2d(rows, weights.view(1, 1, -1, 1))[0, 0]
