"""LLRR at a fraction of its cost: a narrow LLRR corrects the mean.

The full fusion costs nearly as much as the backbones. Here a 1x1 convolution reduces each modality
to 2n channels, an LLRR stack of that width codes it, and a 1x1 convolution over both codes restores
C channels. Such a narrow code cannot carry all of the features, so it carries only a correction of
the mean of both modalities::

    fused = (rgb + tir) / 2 + E * [Z_rgb, Z_tir],    Z_m = LLRR(R_m * m)

Differences from LRRNet: the reduction before the stacks, 1x1 convolutions instead of 3x3 after
them, and the mean that is added.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from fusion_modules.base import Fusion, Start, mean
from fusion_modules.layers import reflect_conv, smallest_side, soft_threshold
from fusion_modules.llrr import LLRRStack


class LLRRLightFusion(Fusion):
    """The mean of both modalities, corrected by narrow LLRR codes.

    In multiplications, with 2n = C / 4, b blocks and kernel k: ``(2 b + 1) k^2 C^2 H W / 8`` for
    the stacks and ``C^2 H W`` for the 1x1 convolutions. At 31x31 with the default 2 blocks that is
    0.42 G per level for C = 256 (1.25 G for three levels, 1.2 % of a two-modality ResNet-50 frame
    of 102 G), 0.06 G for C = 96 and 0.03 G for C = 64.

    Args:
        channels: C of the maps.
        width: n; C / 8 without it (at least 4), so that codes have C / 4 channels.
        blocks: iterations of each stack.
        kernel: k, odd side of the stacks' convolutions.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
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
        return mean(rgb, tir) + self.expand(torch.cat([code_rgb, code_tir], dim=1))

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


class JoinedLLRR(nn.Module):
    """Both stacks as one, with grouped convolutions; made of copies of the weights.

    Args:
        reduce: the 1x1 convolutions before the stacks, of RGB and thermal.
        stacks: of RGB and thermal.
        expand: the 1x1 convolution over both codes.
        gate: (C,) factor of the correction; ``None`` for 1.
    """

    lower: Tensor
    upper: Tensor
    lam: Tensor

    def __init__(
        self,
        reduce: tuple[nn.Conv2d, nn.Conv2d],
        stacks: tuple[LLRRStack, LLRRStack],
        expand: nn.Conv2d,
        gate: Tensor | None,
    ) -> None:
        super().__init__()
        rgb, tir = stacks
        self.reduce = _group(*reduce)
        self.c0 = _group(rgb.c0, tir.c0)
        pairs = list(zip(rgb.blocks, tir.blocks, strict=True))
        self.c1 = nn.ModuleList(_group(a.c1, b.c1) for a, b in pairs)
        self.c2 = nn.ModuleList(_group(a.c2, b.c2) for a, b in pairs)
        # The gate scales the output channels of the last convolution.
        like = {"device": expand.weight.device, "dtype": expand.weight.dtype}
        self.expand = skip_init(nn.Conv2d, expand.in_channels, expand.out_channels, 1, **like)
        factor = torch.ones(expand.out_channels).to(expand.weight) if gate is None else gate
        assert expand.bias is not None and self.expand.bias is not None
        with torch.no_grad():
            self.expand.weight.copy_(expand.weight * factor.view(-1, 1, 1, 1))
            self.expand.bias.copy_(expand.bias * factor)
        theta = torch.cat([stack.theta.detach() for stack in stacks], dim=1)
        lam = torch.cat([stack.lam.detach().expand_as(stack.theta) for stack in stacks], dim=1)
        for name, values in (("lower", -theta), ("upper", theta), ("lam", lam)):
            self.register_buffer(name, values.reshape(-1, 1, 1).clone(), persistent=False)
        self.shrinks = bool((theta >= 0).all())

    def forward(self, rgb: Tensor, tir: Tensor) -> Tensor:
        """(B, C, H, W) twice -> (B, C, H, W)."""
        x = self.reduce(torch.cat([rgb, tir], dim=1))
        z = self._threshold(self.c0(x))
        for c1, c2 in zip(self.c1, self.c2, strict=True):
            z = self._threshold(torch.addcmul(c2(x - c1(z)), self.lam, z))
        return mean(rgb, tir) + self.expand(z)

    def _threshold(self, x: Tensor) -> Tensor:
        if self.shrinks:
            return x - x.clamp(self.lower, self.upper)
        return soft_threshold(x, self.upper)


@torch.no_grad()
def _group(a: Any, b: Any) -> nn.Conv2d:
    """One convolution in two groups: the first half of the channels by a, the second by b."""
    joined = skip_init(  # drawing weights would advance the caller's random generator
        nn.Conv2d,
        2 * a.in_channels,
        2 * a.out_channels,
        a.kernel_size,
        padding=a.padding,
        padding_mode=a.padding_mode,
        groups=2,
        device=a.weight.device,
        dtype=a.weight.dtype,
    )
    assert joined.bias is not None
    joined.weight.copy_(torch.cat([a.weight, b.weight]))
    joined.bias.copy_(torch.cat([a.bias, b.bias]))
    return joined
