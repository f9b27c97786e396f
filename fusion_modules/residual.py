"""The residual fusion network (RFN) of RFN-Nest, as DFAT + RFN uses it in the tracker.

H. Li, X.-J. Wu, J. Kittler, *RFN-Nest*, Information Fusion 73, 2021; the comparison of LRRNet's
Table 8. Per level::

    fused = conv3x3([rgb, tir]) + conv3x3(conv3x3(conv1x1([conv1x1(rgb), conv1x1(tir)])))

Every convolution pads by reflection and is followed by batch normalization, none by an activation.
Unlike there the convolutions have no bias, which batch normalization would remove.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion_modules.base import Fusion, Start
from fusion_modules.conv_norm import ConvNorm
from fusion_modules.layers import reflect_conv, smallest_side


class ResidualFusion(Fusion):
    """RFN: one convolution over both modalities plus a deeper path over each and both.

    In training batch normalization mixes the items of a batch; in eval mode they are independent.
    """

    def __init__(
        self, channels: int, *, start: Start = "random", check_finite: bool = True
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        self.direct = _conv_norm(2 * channels, channels, kernel=3)
        self.conv_rgb = _conv_norm(channels, channels, kernel=1)
        self.conv_tir = _conv_norm(channels, channels, kernel=1)
        self.residual = nn.Sequential(
            _conv_norm(2 * channels, channels, kernel=1),
            _conv_norm(channels, channels, kernel=3),
            _conv_norm(channels, channels, kernel=3),
        )
        self.smallest_side = smallest_side(kernel=3)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        modalities = torch.cat([self.conv_rgb(rgb), self.conv_tir(tir)], dim=1)
        return self.direct(torch.cat([rgb, tir], dim=1)) + self.residual(modalities)


def _conv_norm(in_channels: int, out_channels: int, kernel: int) -> ConvNorm:
    return ConvNorm(
        reflect_conv(in_channels, out_channels, kernel, bias=False), nn.BatchNorm2d(out_channels)
    )
