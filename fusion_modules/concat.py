"""Concatenation and one convolution: the plainest learned fusion, linear in both modalities."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_modules.base import Fusion, Start
from fusion_modules.layers import reflect_conv, smallest_side


class ConcatFusion(Fusion):
    """One convolution 2C -> C over both modalities.

    Args:
        channels: C of the maps.
        kernel: odd side of the convolution.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel: int = 1,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        self.conv = reflect_conv(2 * channels, channels, kernel)
        self.smallest_side = smallest_side(kernel)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        return self.conv(torch.cat([rgb, tir], dim=1))
