"""The mean of both modalities: the baseline without parameters that any fusion must beat."""

from __future__ import annotations

from torch import Tensor

from fusion_modules.base import Fusion, mean_of


class MeanFusion(Fusion):
    """``(rgb + tir) / 2``. Nothing is learned, so both values of ``start`` mean the same."""

    has_start = False

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        return mean_of(rgb, tir)
