"""The paper's ablation of LLRR by dense blocks (LRRNet, Fig. 8): four, each of two 3x3 units.

Each unit sees the block's input and all units before it (DenseNet, Huang et al., 2017). In the
image network a unit has 64 channels = n / 2, and a 1x1 convolution brings each block but the last
back to n channels; the last block then gives n + 2 * n / 2 = 2n, just as the LLRR stack does.
ReLU follows each unit, as in DenseFuse; the 1x1 convolutions have no activation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion_modules.base import Start, require_positive
from fusion_modules.layers import reflect_conv
from fusion_modules.two_stream import TwoStreamFusion, default_width


class DenseFusion(TwoStreamFusion):
    """``llrr`` with ``blocks`` dense blocks instead of the LLRR stack.

    ``width`` is n, C / 2 unless given. With 4 blocks at C = 256, 31x31 it takes 4.2 G
    multiplications a level.
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
    """(B, c, H, W) -> (B, ``dense_channels``, H, W); 1x1 convolutions to n between the blocks."""
    parts: list[nn.Module] = []
    for block in range(blocks):
        before = width if block else channels
        parts.append(DenseBlock(before, _growth(width), kernel))
        if block < blocks - 1:
            parts.append(reflect_conv(before + 2 * _growth(width), width, kernel=1))
    return nn.Sequential(*parts)


def dense_channels(channels: int, width: int, blocks: int = 4) -> int:
    """Channels that ``dense_stack`` gives: 2n for an even n and more than one block."""
    return (width if blocks > 1 else channels) + 2 * _growth(width)


def _growth(width: int) -> int:
    return max(width // 2, 1)
