"""LWC-DenseFuse: DenseFuse with self-compensating lightweight convolutions.

DenseFuse (H. Li, X.-J. Wu, TIP 28(5), 2019): one encoder with a dense block of 16-channel layers
for both sources, fusion of the two 64-channel maps, a decoder 64-64-32-16-1. Of LWC-DenseFuse only
the abstract is public: the convolutions become lightweight ones (``fusion_modules.lightweight``),
and training goes in stages with progressive loss weights. Ours: ReLU between the layers, the
attention's window of 7 pixels (so that tiles are possible), a plain last convolution, and a learned
fusion that starts as the mean. So at first a source given as both inputs is just encoded and
decoded, which the first stage trains (see ``stage_weights``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion_modules.base import require_positive
from fusion_modules.image.base import ImageFusion
from fusion_modules.layers import reflect_conv, smallest_side
from fusion_modules.lightweight import LightweightConv, LightweightFusion


class LWCDenseFuse(ImageFusion):
    """The network; 22,935 parameters by default (DenseFuse: 74,193).

    Args:
        channels: c of the images.
        growth: channels of each layer of the dense block; 4 x ``growth`` are fused.
        window: odd side of the attention's window.
        check_finite: see ``ImageFusion``.
    """

    def __init__(
        self,
        channels: int = 1,
        growth: int = 16,
        window: int = 7,
        *,
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, check_finite=check_finite)
        g = require_positive("growth", growth)
        self.first = LightweightConv(channels, g, window=window)
        self.dense = nn.ModuleList(
            LightweightConv(g * (layer + 1), g, window=window) for layer in range(3)
        )
        self.fusion = LightweightFusion(4 * g, window=window, start="mean", check_finite=False)
        sides = [(4 * g, 4 * g), (4 * g, 2 * g), (2 * g, g)]
        self.decoder = nn.ModuleList(LightweightConv(a, b, window=window) for a, b in sides)
        self.last = reflect_conv(g, channels)
        # He et al. (2015): with torch's default the signal vanishes within eight LWC.
        for layer in (self.first, *self.dense, *self.decoder):
            assert isinstance(layer, LightweightConv)
            nn.init.kaiming_normal_(layer.depthwise.weight, nonlinearity="linear")
            nn.init.kaiming_normal_(layer.pointwise.weight, nonlinearity="relu")
        self.smallest_side = smallest_side(kernel=3)

    @property
    def margin(self) -> int:
        layers = [self.first, *self.dense, *self.decoder]
        return sum(layer.reach for layer in layers) + self.fusion.reach + 1

    def fuse(self, visible: Tensor, infrared: Tensor) -> Tensor:
        x = self.fusion(self.encode(visible), self.encode(infrared))
        for layer in self.decoder:
            x = layer(x).relu()
        return self.last(x)

    def encode(self, image: Tensor) -> Tensor:
        """(B, c, H, W) -> (B, 4 growth, H, W), each layer's output concatenated to its input."""
        x = self.first(image).relu()
        for layer in self.dense:
            x = torch.cat([x, layer(x).relu()], dim=1)
        return x


def stage_weights(progress: float, reconstruct_until: float, full_at: float) -> tuple[float, float]:
    """Weights of (reconstruction, fusion losses) at ``progress`` of the training, in [0, 1].

    Until ``reconstruct_until`` only the reconstruction counts, from ``full_at`` on only the fusion
    losses, with a linear transition in between.
    """
    if full_at <= reconstruct_until:
        share = float(progress >= full_at)
    else:
        share = (progress - reconstruct_until) / (full_at - reconstruct_until)
    share = min(max(share, 0.0), 1.0)
    return 1.0 - share, share
