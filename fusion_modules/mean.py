"""The mean of both modalities: the baseline without parameters that any fusion must beat."""

from __future__ import annotations

from torch import Tensor

from fusion_modules.base import Fusion, mean


class MeanFusion(Fusion):
    """``(rgb + tir) / 2``. It has no parameters, so ``start`` has no effect."""

    has_start = False

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        return mean(rgb, tir)
