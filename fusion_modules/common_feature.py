"""Common feature preservation (CFPM): what both modalities share, by convolutional sparse coding.

After LRCFuse (J. Liu et al., Sensors 26(6), 2026), of which only the abstract is public: modules
built by unrolled convolutional sparse coding over both sources recover what these have in common.
The formulation is ours. Both sources get **one** code C, each through a dictionary of its own::

    min || X_r - D_r C ||^2 + || X_t - D_t C ||^2 + theta || C ||_1

which is sparse coding of the stacked sources, so that an unrolled step is the LLRR block (eq. 8 of
LRRNet) over [X_r, X_t], with thresholds and step size learned as there. In the tracker's fusion
one convolution joins the residuals of both modalities::

    fused = E * C + J * [X_r - D_r * C, X_t - D_t * C]
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusion_modules.base import Fusion, Start, require_positive
from fusion_modules.layers import reflect_conv, smallest_side
from fusion_modules.llrr import LLRRStack


class CommonCode(LLRRStack):
    """Unrolled sparse coding of both sources: (B, c, H, W) x 2 -> one code (B, w, H, W).

    Args:
        channels: c of each source.
        width: w, the channels of the code, an even number.
        blocks: unrolled steps.
        kernel: odd side of the convolutions.
    """

    def __init__(self, channels: int, width: int, blocks: int = 2, kernel: int = 3) -> None:
        if require_positive("width", width) % 2:
            raise ValueError(f"width is {width}; expected an even number")
        super().__init__(2 * channels, width // 2, blocks, kernel)

    def common(self, a: Tensor, b: Tensor) -> Tensor:
        """The common code of ``a`` and ``b``."""
        return self(torch.cat([a, b], dim=1))


class CommonFeatureFusion(Fusion):
    """The common features of both modalities, and the residual of each.

    In multiplications with w = C / 2 and b blocks: ``(18 b + 40.5) C^2 H W`` for 3x3 kernels; at
    C = 256, 31x31 and the default 2 blocks, 4.8 G per level.

    Args:
        channels: C of the maps.
        width: w, channels of the code; C / 2 without it.
        blocks: unrolled steps.
        kernel: odd side of the convolutions.
        start: see ``Fusion``.
        check_finite: see ``Fusion``.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int | None = None,
        blocks: int = 2,
        kernel: int = 3,
        start: Start = "random",
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, start=start, check_finite=check_finite)
        code = max(channels // 4, 1) * 2 if width is None else width
        self.code = CommonCode(channels, code, blocks, kernel)
        self.dictionary = reflect_conv(code, 2 * channels, kernel)  # D_r over D_t
        self.express = reflect_conv(code, channels, kernel)  # E
        self.join = reflect_conv(2 * channels, channels, kernel)  # J
        self.smallest_side = smallest_side(kernel)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        code = self.code.common(rgb, tir)
        residuals = torch.cat([rgb, tir], dim=1) - self.dictionary(code)
        return self.express(code) + self.join(residuals)
