"""A weight per position: where to believe which modality.

The spatial counterpart of ``gated``: a small network sees both modalities around a position and
gives the share of RGB there, as spatial attention does for one modality (CBAM, Woo et al., 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_modules.base import Fusion, Start, require_positive
from fusion_modules.layers import reflect_conv, smallest_side


class SpatialFusion(Fusion):
    """``w rgb + (1 - w) tir`` with w in (0, 1), (B, 1, H, W), from both around a position.

    ``reduction`` divides the 2C channels down to the width of the one hidden layer, 1x1, which a
    ``kernel`` x ``kernel`` convolution turns into w.
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
