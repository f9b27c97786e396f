"""A gate per channel: the weight of each modality, computed from the whole map.

The gate of a gated multimodal unit (Arevalo et al., 2017), computed from globally pooled features
through a bottleneck as in squeeze-and-excitation (Hu et al., 2018). Unlike in
that unit the features themselves are mixed, not a tanh layer over them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion_modules.base import Fusion, Start, require_positive


class GatedFusion(Fusion):
    """``g rgb + (1 - g) tir`` with g in (0, 1), (B, C, 1, 1), from both modalities' channel means.

    The cost is negligible.

    Args:
        channels: C of the maps.
        reduction: of the 2C means to the bottleneck's width.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 8,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        hidden = max(2 * channels // require_positive("reduction", reduction), 4)
        self.squeeze = nn.Conv2d(2 * channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        means = torch.cat([rgb, tir], dim=1).mean(dim=(2, 3), keepdim=True)  # (B, 2C, 1, 1)
        weight = self.excite(self.squeeze(means).relu()).sigmoid()
        return tir + weight * (rgb - tir)
