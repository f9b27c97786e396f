"""The fusion branch of the LRRNet tracker (Fig. 14), with its feature extractor left open.

    per modality: extractor -> one convolution;  concatenate both modalities -> one convolution

The modalities share no weights. ``llrr`` puts the LLRR stack in the extractor's place; ``conv8``
and ``dense`` put the paper's ablations there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fusion_modules.base import Fusion, Start, require_positive
from fusion_modules.layers import reflect_conv, smallest_side


class TwoStreamFusion(Fusion):
    """Two extractors out of ``make_extractor()``, each (B, C, H, W) -> (B, ``coded``, H, W)."""

    def __init__(
        self,
        channels: int,
        make_extractor: Callable[[], nn.Module],
        coded: int,
        *,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        self.extract_rgb, self.extract_tir = make_extractor(), make_extractor()
        self.conv_rgb = reflect_conv(coded, channels, kernel)
        self.conv_tir = reflect_conv(coded, channels, kernel)
        self.conv_fused = reflect_conv(2 * channels, channels, kernel)
        self.smallest_side = smallest_side(kernel)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        rgb = self.conv_rgb(self.extract_rgb(rgb))
        tir = self.conv_tir(self.extract_tir(tir))
        return self.conv_fused(torch.cat([rgb, tir], dim=1))


def default_width(channels: int) -> int:
    """n when none is given: C / 2 makes codes as wide as features; the paper's 128 at C = 256."""
    return max(require_positive("channels", channels) // 2, 1)
