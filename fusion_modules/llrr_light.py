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

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from fusion_modules.base import Fusion, Start, mean_of
from fusion_modules.layers import reflect_conv, smallest_side, soft_threshold
from fusion_modules.llrr import LLRRStack


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


class JoinedLLRR(nn.Module):
    """A copy of the weights of two reductions, two stacks and the convolution over both codes.

    ``reduce`` and ``stacks`` are RGB's and thermal's; ``gate`` (C,) weighs the correction.
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
        self.reduce = _side_by_side(*reduce)
        self.c0 = _side_by_side(rgb.c0, tir.c0)
        pairs = list(zip(rgb.blocks, tir.blocks, strict=True))
        self.c1 = nn.ModuleList(_side_by_side(a.c1, b.c1) for a, b in pairs)
        self.c2 = nn.ModuleList(_side_by_side(a.c2, b.c2) for a, b in pairs)
        self.expand = _scaled(expand, gate)
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
        return mean_of(rgb, tir) + self.expand(z)

    def _threshold(self, x: Tensor) -> Tensor:
        if self.shrinks:
            return x - x.clamp(self.lower, self.upper)
        return soft_threshold(x, self.upper)


@torch.no_grad()
def _side_by_side(a: Any, b: Any) -> nn.Conv2d:
    """One convolution in two groups that does to either half of the channels what a and b do."""
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


@torch.no_grad()
def _scaled(conv: nn.Conv2d, gate: Tensor | None) -> nn.Conv2d:
    """A copy of a convolution, its output channels multiplied by ``gate`` (C,)."""
    like = {"device": conv.weight.device, "dtype": conv.weight.dtype}
    scaled = skip_init(nn.Conv2d, conv.in_channels, conv.out_channels, 1, **like)
    factor = torch.ones(conv.out_channels).to(conv.weight) if gate is None else gate
    assert conv.bias is not None and scaled.bias is not None
    scaled.weight.copy_(conv.weight * factor.view(-1, 1, 1, 1))
    scaled.bias.copy_(conv.bias * factor)
    return scaled
