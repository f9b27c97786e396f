"""LLRR at a fraction of its cost: a narrow LLRR corrects the mean.

The full fusion costs nearly as much as the backbones it joins. Here a 1x1 convolution reduces each
modality to 2n channels, an LLRR stack of that width codes it, and a 1x1 convolution over both codes
gives back C channels. So narrow a code cannot carry all of the features, hence it carries only what
the mean of both modalities lacks::

    fused = (rgb + tir) / 2 + E * [Z_rgb, Z_tir],    Z_m = LLRR(R_m * m)

What differs from LRRNet: the reduction before the stacks, 1x1 convolutions instead of 3x3 after
them, and the mean that is added.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion_modules.base import Fusion, Start, mean_of
from fusion_modules.convolution import reflect_conv, smallest_side
from fusion_modules.llrr import LLRRStack
from fusion_modules.llrr_joined import JoinedLLRR


class LLRRLightFusion(Fusion):
    """The mean of both modalities, corrected by narrow LLRR codes.

    ``width`` is n and defaults to C / 8 (at least 4), so the codes have C / 4 channels. In
    multiplications, with 2n = C / 4, ``blocks`` b and kernel k: ``(2 b + 1) k^2 C^2 H W / 8`` for
    the stacks and ``C^2 H W`` for the 1x1 convolutions. At 31x31 with the default 2 blocks that is
    0.42 G a level for C = 256 (1.25 G for three levels, 1.2 % of a two-modality ResNet-50 frame of
    102 G), 0.06 G for C = 96 and 0.03 G for C = 64.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int | None = None,
        blocks: int = 2,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        n = max(channels // 8, 4) if width is None else width
        self.stack_rgb = LLRRStack(2 * n, n, blocks, kernel)
        self.stack_tir = LLRRStack(2 * n, n, blocks, kernel)
        self.reduce_rgb = reflect_conv(channels, 2 * n, kernel=1)
        self.reduce_tir = reflect_conv(channels, 2 * n, kernel=1)
        self.expand = reflect_conv(4 * n, channels, kernel=1)
        self.smallest_side = smallest_side(kernel)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        code_rgb = self.stack_rgb(self.reduce_rgb(rgb))
        code_tir = self.stack_tir(self.reduce_tir(tir))
        return mean_of(rgb, tir) + self.expand(torch.cat([code_rgb, code_tir], dim=1))

    def for_inference(self) -> nn.Module:
        """The same function in fewer, larger operations; a subclass may be another function."""
        if type(self) is not LLRRLightFusion:
            return super().for_inference()
        return JoinedLLRR(
            (self.reduce_rgb, self.reduce_tir),
            (self.stack_rgb, self.stack_tir),
            self.expand,
            self.gate,
        )
