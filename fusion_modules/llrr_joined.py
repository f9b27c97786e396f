"""``LLRRLightFusion`` for inference: both modalities side by side, in half as many calls.

On a small map a narrow LLRR costs less in multiplications than in calls. Here the two stacks become
one of grouped convolutions, the gate is part of the last convolution, and a soft threshold takes
two operations where no threshold is negative. The answers stay the same to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from fusion_modules.base import mean_of
from fusion_modules.llrr import LLRRStack
from fusion_modules.threshold import soft_threshold


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
