"""A weight per position: the share of each modality there.

The spatial counterpart of ``gated``: a small network computes the share of RGB from both modalities
around a position, as spatial attention does for one modality (CBAM, Woo et al., 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_modules.base import Fusion, Start, require_positive
from fusion_modules.layers import reflect_conv, smallest_side


class SpatialFusion(Fusion):
    """``w rgb + (1 - w) tir`` with w in (0, 1), (B, 1, H, W), from both around a position.

    A 1x1 convolution gives the hidden layer, a second convolution w.

    Args:
        channels: C of the maps.
        reduction: of the 2C channels to the hidden layer's width.
        kernel: odd side of the second convolution.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 8,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        hidden = max(2 * channels // require_positive("reduction", reduction), 4)
        self.squeeze = reflect_conv(2 * channels, hidden, kernel=1)
        self.attend = reflect_conv(hidden, 1, kernel)
        self.smallest_side = smallest_side(kernel)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        hidden = self.squeeze(torch.cat([rgb, tir], dim=1)).relu()
        weight = self.attend(hidden).sigmoid()  # (B, 1, H, W)
        return tir + weight * (rgb - tir)
