"""The neck of SiamRPN++: every level to one number of channels, and the template's center crop.

pysot crops inside its neck whenever a map is narrow; here the crop is a function of its own, so
that the neck does not have to guess which side its input is of.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fusion_modules.conv_norm import ConvNorm


class AdjustLevel(nn.Module):
    """1x1 convolution and batch norm, (B, C, H, W) -> (B, out, H, W)."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.downsample = ConvNorm(
            nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(x)


class Neck(nn.Module):
    """Levels with ``channels`` channels -> levels with ``out_channels``, one number per level.

    The levels are called ``downsample2``, ``downsample3``, ... as in pysot, whatever the backbone.
    """

    def __init__(self, channels: Sequence[int], out_channels: Sequence[int]) -> None:
        super().__init__()
        self.names = [f"downsample{index + 2}" for index in range(len(channels))]
        self.channels = tuple(out_channels)
        for name, *sizes in zip(self.names, channels, out_channels, strict=True):
            self.add_module(name, AdjustLevel(*sizes))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return [
            self.get_submodule(name)(level) for name, level in zip(self.names, levels, strict=True)
        ]


class NoNeck(nn.Module):
    """Levels as the backbone gives them: for backbones whose features need no adjusting."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return list(levels)


def center_crop(levels: Sequence[Tensor], cells: int) -> list[Tensor]:
    """The central ``cells x cells`` of each level (B, C, H, W).

    Raises ``ValueError`` when a level is smaller, or when the cells could not lie in its center.
    """
    return [_crop(level, cells) for level in levels]


def _crop(level: Tensor, cells: int) -> Tensor:
    side = level.shape[-1]
    if side < cells or (side - cells) % 2:
        raise ValueError(
            f"template_cells {cells} do not fit the center of {side} cells; "
            f"use at most {side} and an {'odd' if side % 2 else 'even'} number"
        )
    start = (side - cells) // 2
    return level[..., start : start + cells, start : start + cells]
