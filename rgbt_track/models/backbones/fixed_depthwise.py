"""Depthwise convolutions that stay fixed while the layers around them learn.

On a CPU the weight gradient of a depthwise convolution costs several times its forward pass, and
torch computes its input gradient on the same slow path. With fixed weights the input gradient is
itself a depthwise convolution, with the kernel rotated by 180 degrees, and runs as fast as the
forward pass: fine-tuning the last stages of EfficientNet-Lite0 takes half the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _FixedDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.padding = padding
        return F.conv2d(x, weight, None, 1, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        (grad,) = grad_outputs
        padding = weight.shape[-1] - 1 - ctx.padding
        rotated = weight.flip(2, 3).to(grad.dtype)
        return F.conv2d(grad, rotated, None, 1, padding, 1, grad.shape[1]), None, None


class FixedDepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution of stride 1 with fixed weights and a fast input gradient.

    Parameters, state-dict keys and outputs are those of the ``nn.Conv2d`` it is made from.
    """

    @classmethod
    def from_conv(cls, conv: nn.Conv2d) -> FixedDepthwiseConv2d:
        """The same convolution with its weight shared and frozen."""
        size, padding = conv.kernel_size[0], int(conv.padding[0])
        channels = conv.in_channels
        fixed = cls(channels, channels, size, padding=padding, groups=channels, bias=False)
        fixed.weight = conv.weight.requires_grad_(False)
        return fixed

    def forward(self, input: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and input.requires_grad):
            return super().forward(input)
        weight = self.weight.to(input.dtype)
        return _FixedDepthwise.apply(input, weight, int(self.padding[0]))


def fix_depthwise(module: nn.Module) -> None:
    """Freeze every depthwise convolution below ``module``, in place.

    Those with a square kernel, stride 1 and no bias get the fast input gradient.
    """
    for name, child in module.named_children():
        if not isinstance(child, nn.Conv2d):
            fix_depthwise(child)
        elif child.groups == child.in_channels == child.out_channels > 1:
            child.requires_grad_(False)
            if _is_plain(child):
                setattr(module, name, FixedDepthwiseConv2d.from_conv(child))


def _is_plain(conv: nn.Conv2d) -> bool:
    height, width = conv.kernel_size
    return (
        type(conv) is nn.Conv2d
        and height == width
        and conv.stride == conv.dilation == (1, 1)
        and conv.padding in [(pad, pad) for pad in range(height)]
        and conv.bias is None
    )
