"""The fusion branch of the LRRNet tracker (Fig. 14), with any feature extractor.

    per modality: extractor -> one convolution;  concatenate both modalities -> one convolution

The modalities share no weights. The extractor of ``llrr`` is the LLRR stack; those of ``conv8``
and ``dense`` are the paper's ablations.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fusion_modules.base import Fusion, Start, require_positive
from fusion_modules.layers import reflect_conv, smallest_side


class TwoStreamFusion(Fusion):
    """An extractor and a convolution per modality, and a convolution over both.

    Args:
        channels: C of the maps.
        make_extractor: makes an extractor (B, C, H, W) -> (B, code_channels, H, W).
        code_channels: output channels of the extractors.
        kernel: odd side of the convolutions after them.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        make_extractor: Callable[[], nn.Module],
        code_channels: int,
        *,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        self.extract_rgb, self.extract_tir = make_extractor(), make_extractor()
        self.conv_rgb = reflect_conv(code_channels, channels, kernel)
        self.conv_tir = reflect_conv(code_channels, channels, kernel)
        self.conv_fused = reflect_conv(2 * channels, channels, kernel)
        self.smallest_side = smallest_side(kernel)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        rgb = self.conv_rgb(self.extract_rgb(rgb))
        tir = self.conv_tir(self.extract_tir(tir))
        return self.conv_fused(torch.cat([rgb, tir], dim=1))


def default_width(channels: int) -> int:
    """The default n, C / 2: codes are as wide as features; at C = 256 it is the paper's 128."""
    return max(require_positive("channels", channels) // 2, 1)
