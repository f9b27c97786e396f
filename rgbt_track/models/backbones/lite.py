"""A small backbone that runs in real time on a CPU (our own): 3x3 residual blocks at stride 8.

Stride-2 convolutions have no padding and take odd sizes 2^n - 1, so that, as in the atrous
ResNet-50, a 255 (127) pixels wide crop gives 31 (15) cells and cell k is centered on pixel 8 k + 7.
Every convolution is followed by a batch norm that folds into it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusion_modules.conv_norm import ConvNorm, Foldable, fold_norm
from rgbt_track.models.interface import Backbone


class LiteBlock(Foldable):
    """Two 3x3 convolutions with a shortcut, (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + x, inplace=True)

    def fold(self) -> None:
        fold_norm(self, "conv1", "bn1")
        fold_norm(self, "conv2", "bn2")


class LiteBackbone(Backbone):
    """Crops (B, 3, X, X) -> one level per entry of ``blocks``, all at stride 8.

    Args:
        widths: channels after each of the three strides.
        blocks: residual blocks of each level. A level is the concatenation of its blocks' outputs,
            so that one level holds several depths at the cost of one head.

    Raises ``ValueError`` for anything but three widths, or a level without blocks.
    """

    stride = 8

    def __init__(self, widths: Sequence[int] = (16, 32, 64), blocks: Sequence[int] = (4,)) -> None:
        super().__init__()
        if len(widths) != 3 or not blocks or min(blocks) < 1:
            raise ValueError(
                f"widths is {widths}, blocks {blocks}; expected three widths, such as [16, 32, 64],"
                " and a number of blocks for each level, such as [4]"
            )
        self.channels = tuple(count * widths[-1] for count in blocks)
        strides = [_downsample(*pair) for pair in zip((3, *widths), widths, strict=False)]
        self.stem = ConvNorm(*itertools.chain(*strides))
        self.counts = tuple(blocks)
        self.blocks = nn.ModuleList(LiteBlock(widths[-1]) for _ in range(sum(blocks)))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        depths = []
        for block in self.blocks:
            x = block(x)
            depths.append(x)
        ends = itertools.accumulate(self.counts)
        return [
            torch.cat(depths[end - n : end], 1) for n, end in zip(self.counts, ends, strict=True)
        ]

    def input_convolution(self) -> nn.Conv2d:
        return self.stem.get_submodule("0")  # type: ignore[return-value]


def _downsample(channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out_channels, 3, stride=2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
