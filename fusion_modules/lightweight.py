"""Self-compensating lightweight convolution (LWC), and a fusion made of it.

After LWC-DenseFuse, of which only the abstract is public: a standard convolution becomes a
depthwise and a pointwise one, channel attention enhances salient features, and a channel shuffle
lets groups exchange. The details are ours::

    y = pointwise(depthwise(x))        pointwise in groups (ShuffleNet, Zhang et al., 2018)
    y + a(y) y                         a: squeeze-and-excitation (Hu et al., 2018; SiLU), in (0, 1)
    shuffle of the groups' channels

The attention is added to its input instead of replacing it: it compensates salient channels for
what the cheap convolution lost, and suppresses nothing. It is computed from means over the whole
map or, in image networks, over a window, so that images can be computed in tiles.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion_modules.base import Fusion, Start, require_positive
from fusion_modules.layers import smallest_side

_GROUPS = 2
_REDUCTION = 4


class LightweightConv(nn.Module):
    """An LWC: (B, in, H, W) -> (B, out, H, W), padded by reflection.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: odd side of the depthwise kernel.
        groups: of the pointwise convolution and the shuffle; fewer where they do not divide the
            channels.
        window: odd side of the attention's window; ``None`` for the whole map.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        groups: int = _GROUPS,
        window: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("kernel", kernel), ("window", window or 1)):
            if require_positive(name, value) % 2 == 0:
                raise ValueError(f"{name} is {value}; expected an odd number, to have a center")
        self.groups = math.gcd(require_positive("groups", groups), in_channels, out_channels)
        self.window = window
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel,
            padding=kernel // 2, padding_mode="reflect", groups=in_channels,
        )  # fmt: skip
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, groups=self.groups)
        hidden = max(out_channels // _REDUCTION, 4)
        self.squeeze = nn.Conv2d(out_channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, out_channels, 1)
        self.reach = kernel // 2 + (window or 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.depthwise(x))
        if self.window is None:
            means = y.mean(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
        else:
            # A mean over a square is one over rows, then one over columns.
            side, radius = self.window, self.window // 2
            rows = F.avg_pool2d(y, (1, side), 1, (0, radius), count_include_pad=False)
            means = F.avg_pool2d(rows, (side, 1), 1, (radius, 0), count_include_pad=False)
        attention = self.excite(F.silu(self.squeeze(means))).sigmoid()
        return channel_shuffle(y + attention * y, self.groups)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """ShuffleNet's channel shuffle: the first channel of each group, then the second of each ..."""
    if groups == 1:
        return x
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class LightweightFusion(Fusion):
    """Two LWC over both modalities, 2C -> C -> C, with ReLU between.

    In multiplications ``(27 + 1.5 C) C H W`` with 3x3 kernels and 2 groups: 0.10 G per level at
    C = 256, 31x31.

    Args:
        channels: C of the maps.
        kernel: as in ``LightweightConv``.
        groups: as there.
        window: as there.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel: int = 3,
        groups: int = _GROUPS,
        window: int | None = None,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        self.join = LightweightConv(2 * channels, channels, kernel, groups=groups, window=window)
        self.refine = LightweightConv(channels, channels, kernel, groups=groups, window=window)
        self.smallest_side = smallest_side(kernel)

    @property
    def reach(self) -> int:
        """Radius of the receptive field in pixels, if there is a window."""
        return self.join.reach + self.refine.reach

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        return self.refine(self.join(torch.cat([rgb, tir], dim=1)).relu())
