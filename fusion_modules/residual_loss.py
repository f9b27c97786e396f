"""The feature loss that DFAT trains RFN with, the comparison of LRRNet's Table 8.

After H. Li et al., *RFN-Nest*, Information Fusion 73, 2021, as DFAT's published code computes it.
Over all levels F of RGB r, thermal i and fused f::

    features   = sum of mean((F_f - (4 F_i + 0.5 F_r))^2) / (C H W)
    similarity = sum of 1 - SSIM(F_f, F_r)

The first term is a mean that is divided by the number of elements once more, so it is tiny beside
the second: that is how DFAT's code has it. SSIM sees each item's level as an image of C rows and
H W columns: windows of 11x11 with sigma 1.5 (smaller where the image is), no padding, K = 0.01 and
0.03, dynamic range guessed from the fused level as in pytorch-msssim. r and i are targets and get
no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion_modules.base import require_same_shape

_WINDOW, _SIGMA = 11, 1.5
_EPSILON = 1e-5


class ResidualLoss(nn.Module):
    """RFN's feature loss; the arguments are its constants.

    Args:
        tir: factor of thermal in the target of the features.
        rgb: factor of RGB there.
    """

    def __init__(self, *, tir: float = 4.0, rgb: float = 0.5) -> None:
        super().__init__()
        self.tir, self.rgb = tir, rgb

    def forward(
        self, fused: Sequence[Tensor], rgb: Sequence[Tensor], tir: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Lists of levels (B, C, H, W) -> scalars ``features``, ``similarity`` and ``total``.

        Computed in single precision at least, also under autocast. Raises ``ValueError`` for lists
        of different lengths, or levels of one place that differ in shape.
        """
        if not len(fused) == len(rgb) == len(tir):
            raise ValueError(f"{len(fused)} fused levels, {len(rgb)} of rgb and {len(tir)} of tir")
        features, similarity = [], []
        with torch.autocast(fused[0].device.type, enabled=False):
            for f, r, i in zip(fused, rgb, tir, strict=True):
                require_same_shape("a fused level", f, "that of rgb", r)
                require_same_shape("a fused level", f, "that of tir", i)
                wide = torch.promote_types(f.dtype, torch.float32)
                f, r, i = f.to(wide), r.detach().to(wide), i.detach().to(wide)
                target = self.tir * i + self.rgb * r
                features.append(F.mse_loss(f, target) / f[0].numel())
                similarity.append(1 - level_ssim(f, r))
        terms = {
            "features": torch.stack(features).sum(),
            "similarity": torch.stack(similarity).sum(),
        }
        return {**terms, "total": terms["features"] + terms["similarity"]}


def level_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean SSIM of two levels (B, C, H, W), each item an image of (C, H W), in [-1, 1]."""
    a, b = (x.flatten(2).unsqueeze(1) + _EPSILON for x in (a, b))  # (B, 1, C, H W)
    low = -1.0 if a.detach().min() < -0.5 else 0.0
    high = 255.0 if a.detach().max() > 128 else 1.0
    c1, c2 = (0.01 * (high - low)) ** 2, (0.03 * (high - low)) ** 2
    side = min(_WINDOW, a.shape[-2], a.shape[-1])
    mean_a, mean_b = _blur(a, side), _blur(b, side)
    variance = _blur(a * a, side) - mean_a**2 + _blur(b * b, side) - mean_b**2
    covariance = _blur(a * b, side) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (luminance * (2 * covariance + c2) / (variance + c2)).mean()


def _blur(images: Tensor, side: int) -> Tensor:
    """Gaussian window of ``side`` pixels over rows and columns, without padding."""
    offsets = torch.arange(side, dtype=images.dtype, device=images.device) - side // 2
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights = weights / weights.sum()
    rows = F.conv2d(images, weights.view(1, 1, 1, -1))
    return F.conv2d(rows, weights.view(1, 1, -1, 1))
