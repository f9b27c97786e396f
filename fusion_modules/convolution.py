"""Convolutions that keep the size of the map: stride 1, reflection padding, as in LRRNet's code."""

from __future__ import annotations

from torch import nn

from fusion_modules.base import require_positive


def reflect_conv(
    in_channels: int, out_channels: int, kernel: int = 3, *, bias: bool = True
) -> nn.Conv2d:
    """A ``kernel`` x ``kernel`` convolution over maps padded by reflection; H and W stay.

    Reflection needs H, W > kernel // 2. Raises ``ValueError`` for an even kernel, which has no
    centre.
    """
    if require_positive("kernel", kernel) % 2 == 0:
        raise ValueError(f"kernel is {kernel}; expected an odd number, to keep the map size")
    return nn.Conv2d(
        in_channels, out_channels, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias
    )


def smallest_side(kernel: int) -> int:
    """The fewest rows and columns that reflection padding for this kernel can work with."""
    return kernel // 2 + 1
