"""Layers of the fusions: convolutions that keep the map size, and the soft threshold (eq. 9).

Convolutions have stride 1 and reflection padding, as in LRRNet's code. The soft threshold costs
little memory: thresholds are broadcast, never repeated to the size of the map. Autograd would save
three maps for the plain formula; here the gradient needs the result alone, which the next
convolution saves anyway. Compilers and exporters get the plain formula, which they can fuse.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fusion_modules.base import is_traced, require_positive


def reflect_conv(
    in_channels: int, out_channels: int, kernel: int = 3, *, bias: bool = True
) -> nn.Conv2d:
    """A convolution over maps padded by reflection; it keeps H and W.

    Reflection needs H, W > kernel // 2. Raises ``ValueError`` for an even kernel.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: odd side of the kernel.
        bias: whether it has a bias.
    """
    if require_positive("kernel", kernel) % 2 == 0:
        raise ValueError(f"kernel is {kernel}; expected an odd number, to keep the map size")
    return nn.Conv2d(
        in_channels, out_channels, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias
    )


def smallest_side(kernel: int) -> int:
    """The fewest rows and columns that reflection padding for this kernel can work with."""
    return kernel // 2 + 1


def soft_threshold(x: Tensor, theta: Tensor) -> Tensor:
    """``sign(x) * max(|x| - theta, 0)`` per channel (eq. 9).

    ``x`` (B, C, H, W); ``theta`` C thresholds, (C,) or (1, C) -> (B, C, H, W), of the dtype of
    ``x``. As in the formula, a negative threshold moves values away from zero, and zero stays. The
    gradient is that of the formula, 0 wherever the result is 0.
    """
    theta = theta.to(x.dtype).reshape(-1, 1, 1)
    if is_traced():
        return x.sign() * (x.abs() - theta).clamp(min=0)
    return _SoftThreshold.apply(x, theta)


class _SoftThreshold(torch.autograd.Function):
    """The formula, with a gradient computed from the result, whose sign is that of ``x`` or 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, theta: Tensor) -> Tensor:
        result = x.abs().sub_(theta).clamp_(min=0).copysign_(x)
        return result.masked_fill_(x == 0, 0)  # sign(0) = 0, which matters for negative thresholds

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.theta_shape = inputs[1].shape

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (result,) = ctx.saved_tensors
        grad_x = grad_theta = None
        if ctx.needs_input_grad[0]:
            grad_x = grad * (result != 0)
        if ctx.needs_input_grad[1]:
            grad_theta = -(grad * result.sign()).sum_to_size(ctx.theta_shape)
        return grad_x, grad_theta
