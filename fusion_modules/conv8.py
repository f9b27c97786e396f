"""The paper's ablation of LLRR by plain convolutions (LRRNet, Fig. 8): eight of 3x3.

The extractor of the image network's ablation, c -> 2n -> ... -> 2n, in the place of the tracker's
LLRR stack and at about its cost. The paper names no activation; ReLU stands between the layers
(eight convolutions without one would be a single linear map) and not after the last, since LLRR
codes have both signs. Weights start as He et al. (2015) have them: with torch's default nothing of
the input is left after eight layers.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from fusion_modules.base import Start, require_positive
from fusion_modules.layers import reflect_conv
from fusion_modules.two_stream import TwoStreamFusion, default_width


class Conv8Fusion(TwoStreamFusion):
    """``llrr`` with ``layers`` plain convolutions instead of the LLRR stack.

    ``width`` is n, C / 2 unless given: layers of 2n channels. In multiplications, with 2n = C:
    ``(2 layers + 4) k^2 C^2 H W``; with 8 layers at C = 256, 31x31: 11.3 G a level.
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
    """``layers`` convolutions with ReLU between: (B, c, H, W) -> (B, 2n, H, W)."""
    widths = [channels] + [2 * width] * layers
    parts: list[nn.Module] = []
    for before, after in pairwise(widths):
        conv = reflect_conv(before, after, kernel)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        parts += [conv, nn.ReLU()]
    return nn.Sequential(*parts[:-1])
