"""LRRNet's ablation of LLRR by plain convolutions (Fig. 8): eight of 3x3.

The extractor of the image network's ablation, c -> 2n -> ... -> 2n, in place of the tracker's LLRR
stack and at about its cost. The paper names no activation; here ReLU follows each layer (eight
convolutions without it would be a single linear map) but the last, since LLRR codes have both
signs. Weights are initialized after He et al. (2015): with torch's default the signal vanishes
within eight layers.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from fusion_modules.base import Start, require_positive
from fusion_modules.layers import reflect_conv
from fusion_modules.two_stream import TwoStreamFusion, default_width


class Conv8Fusion(TwoStreamFusion):
    """``llrr`` with plain convolutions instead of the LLRR stack.

    In multiplications, with 2n = C: ``(2 layers + 4) k^2 C^2 H W``; with 8 layers at C = 256,
    31x31: 11.3 G per level.

    Args:
        channels: C of the maps.
        width: n; layers have 2n channels; C / 2 without it.
        layers: number of convolutions.
        kernel: k, odd side of the convolutions.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int | None = None,
        layers: int = 8,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        n = default_width(channels) if width is None else require_positive("width", width)
        require_positive("layers", layers)
        super().__init__(
            channels,
            lambda: plain_stack(channels, n, layers, kernel),
            2 * n,
            kernel=kernel,
            start=start,
            check_finite=check_finite,
        )


def plain_stack(channels: int, width: int, layers: int = 8, kernel: int = 3) -> nn.Sequential:
    """Convolutions with ReLU between them: (B, c, H, W) -> (B, 2n, H, W).

    Args:
        channels: c of the input.
        width: n.
        layers: number of convolutions.
        kernel: odd side of the convolutions.
    """
    widths = [channels] + [2 * width] * layers
    modules: list[nn.Module] = []
    for in_channels, out_channels in pairwise(widths):
        conv = reflect_conv(in_channels, out_channels, kernel)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        modules += [conv, nn.ReLU()]
    return nn.Sequential(*modules[:-1])
