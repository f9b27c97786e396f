"""LRRNet's ablation of LLRR by dense blocks (Fig. 8): four, each of two 3x3 units.

The input of a unit is the block's input and all units before it (DenseNet, Huang et al., 2017). In
the image network a unit has 64 channels = n / 2, and a 1x1 convolution reduces each block but the
last to n channels; the last block then gives n + 2 * n / 2 = 2n, as the LLRR stack does.
ReLU follows each unit, as in DenseFuse; the 1x1 convolutions have no activation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion_modules.base import Start, require_positive
from fusion_modules.layers import reflect_conv
from fusion_modules.two_stream import TwoStreamFusion, default_width


class DenseFusion(TwoStreamFusion):
    """``llrr`` with dense blocks instead of the LLRR stack.

    With 4 blocks at C = 256, 31x31 it takes 4.2 G multiplications per level.

    Args:
        channels: C of the maps.
        width: n; C / 2 without it.
        blocks: number of dense blocks.
        kernel: odd side of the units' convolutions.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int | None = None,
        blocks: int = 4,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        n = default_width(channels) if width is None else require_positive("width", width)
        require_positive("blocks", blocks)
        super().__init__(
            channels,
            lambda: dense_stack(channels, n, blocks, kernel),
            dense_channels(channels, n, blocks),
            kernel=kernel,
            start=start,
            check_finite=check_finite,
        )


class DenseBlock(nn.Module):
    """Two units of ``growth`` channels: (B, c, H, W) -> (B, c + 2 growth, H, W), input first."""

    def __init__(self, channels: int, growth: int, kernel: int = 3) -> None:
        super().__init__()
        self.unit1 = reflect_conv(channels, growth, kernel)
        self.unit2 = reflect_conv(channels + growth, growth, kernel)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, self.unit1(x).relu()], dim=1)
        return torch.cat([x, self.unit2(x).relu()], dim=1)


def dense_stack(channels: int, width: int, blocks: int = 4, kernel: int = 3) -> nn.Sequential:
    """Dense blocks with 1x1 convolutions to n between them: (B, c, H, W) -> (B, d, H, W).

    d is ``dense_channels``.

    Args:
        channels: c of the input.
        width: n.
        blocks: number of dense blocks.
        kernel: odd side of the units' convolutions.
    """
    modules: list[nn.Module] = []
    for block in range(blocks):
        in_channels = width if block else channels
        modules.append(DenseBlock(in_channels, _growth(width), kernel))
        if block < blocks - 1:
            modules.append(reflect_conv(in_channels + 2 * _growth(width), width, kernel=1))
    return nn.Sequential(*modules)


def dense_channels(channels: int, width: int, blocks: int = 4) -> int:
    """Output channels of ``dense_stack``: 2n for an even n and more than one block."""
    return (width if blocks > 1 else channels) + 2 * _growth(width)


def _growth(width: int) -> int:
    return max(width // 2, 1)
