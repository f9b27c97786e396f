"""The learned low-rank representation (LLRR) of LRRNet, and the tracker's fusion made of it.

H. Li, T. Xu, X.-J. Wu, J. Lu, J. Kittler, *LRRNet: A Novel Representation Learning Guided Fusion
Network for Infrared and Visible Images*, TPAMI 45(9), 2023. A map X = D1 L + D2 S has a low-rank
part L and a sparse part S; an iteration of LISTA becomes a block of two convolutions (eq. 6-8)::

    Z_t = h(C2 * (X - C1 * Z_{t-1}) + lam Z_{t-1}),    Z_0 = h(C0 * X),    h: soft threshold (eq. 9)

As in the authors' code, C1 and C2 belong to each block, while the thresholds theta and the scalar
lam are shared by all blocks of a stack and are initialized uniformly in [0, 1); only training makes
L low-rank. In the tracker (section 5.4) one convolution follows the whole Z, L and S together.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from fusion_modules.base import Start, is_traced, require_positive, require_side
from fusion_modules.layers import reflect_conv, smallest_side, soft_threshold
from fusion_modules.two_stream import TwoStreamFusion, default_width


class LLRRBlock(nn.Module):
    """One iteration (eq. 8): ``c1`` 2n -> c and ``c2`` c -> 2n, biased, padded by reflection."""

    def __init__(self, channels: int, width: int, kernel: int = 3) -> None:
        super().__init__()
        self.c1 = reflect_conv(2 * width, channels, kernel)
        self.c2 = reflect_conv(channels, 2 * width, kernel)

    def forward(self, x: Tensor, z: Tensor, theta: Tensor, lam: Tensor) -> Tensor:
        """The next z (B, 2n, H, W).

        Args:
            x: (B, c, H, W) the input of the stack.
            z: (B, 2n, H, W) the code.
            theta: (1, 2n) thresholds.
            lam: (1, 1) step size.
        """
        step = self.c2(x - self.c1(z))
        return soft_threshold(torch.addcmul(step, lam.to(z.dtype), z), theta)  # step + lam z


class LLRRStack(nn.Module):
    """Iterations from Z_0: (B, c, H, W) -> Z (B, 2n, H, W), L its first n channels.

    ``theta`` (1, 2n) and ``lam`` (1, 1) have the shapes of the published file; see
    ``official_key``. Raises ``ValueError`` for a map too small for its reflection padding.

    Args:
        channels: c (image network: 1).
        width: n (image network: 128).
        blocks: number of iterations.
        kernel: odd side of the convolutions.
    """

    def __init__(self, channels: int, width: int, blocks: int = 4, kernel: int = 3) -> None:
        super().__init__()
        require_positive("width", width)
        require_positive("blocks", blocks)
        self.c0 = reflect_conv(channels, 2 * width, kernel)
        self.blocks = nn.ModuleList(LLRRBlock(channels, width, kernel) for _ in range(blocks))
        self.theta = nn.Parameter(torch.rand(1, 2 * width))
        self.lam = nn.Parameter(torch.rand(1, 1))
        self.smallest_side = smallest_side(kernel)

    def forward(self, x: Tensor) -> Tensor:
        if not is_traced():
            require_side(type(self).__name__, x, self.smallest_side)
        z = soft_threshold(self.c0(x), self.theta)
        for block in self.blocks:
            z = block(x, z, self.theta, self.lam)
        return z


_OFFICIAL_NAMES = (
    (r"^theta$", "lamj"),
    (r"^lam$", "lamz"),
    (r"^c0\.", "conv_W00.conv2d."),
    (r"^blocks\.(\d+)\.c1\.", r"lrrblock\1.conv_Wdz.conv2d."),
    (r"^blocks\.(\d+)\.c2\.", r"lrrblock\1.conv_Wdtz.conv2d."),
)


def official_key(key: str) -> str:
    """The name in the authors' weight file of a key of ``LLRRStack.state_dict()``.

    ``blocks.2.c1.weight`` -> ``lrrblock2.conv_Wdz.conv2d.weight``. Shapes are equal on both sides,
    so that ``{key: official[prefix + official_key(key)] for key in stack.state_dict()}`` loads.
    Raises ``ValueError`` for any other key.
    """
    for ours, theirs in _OFFICIAL_NAMES:
        renamed, count = re.subn(ours, theirs, key)
        if count:
            return renamed
    raise ValueError(f"{key!r} is no key of an LLRRStack; expected e.g. 'theta' or 'c0.weight'")


class LLRRFusion(TwoStreamFusion):
    """LRRNet's fusion of two feature maps (section 5.4, Fig. 14), with its own stack per modality.

    In multiplications, with 2n = C, b blocks and kernel k: ``(4 b + 6) k^2 C^2 H W``, which at
    31x31, C = 256 and 4 blocks is 12.5 G per level: see ``llrr_light`` for a faster one.

    Args:
        channels: C of the maps.
        width: n; C / 2 without it (128 at C = 256, as in the paper).
        blocks: iterations of each stack.
        kernel: k, odd side of the convolutions.
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
        n = default_width(channels) if width is None else width
        super().__init__(
            channels,
            lambda: LLRRStack(channels, n, blocks, kernel),
            2 * n,
            kernel=kernel,
            start=start,
            check_finite=check_finite,
        )
