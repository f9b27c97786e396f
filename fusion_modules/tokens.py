"""Fusions for transformer trackers, whose features are tokens on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fusion_modules.base import is_traced, require_same
from fusion_modules.factory import create_fusion


class TokenFusion(nn.Module):
    """A fusion by name, over tokens: ``TokenFusion("llrr", channels=768)``; kwargs go to it.

    Tokens outside of the grid (class or register tokens) must be split off before and put back
    after; the template's and the search region's tokens are two grids, hence two calls.
    """

    def __init__(self, name: str, channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.fusion = create_fusion(name, channels, **kwargs)

    def forward(self, rgb: Tensor, tir: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
        """Fuse (B, N, C) tokens of each modality -> (B, N, C).

        Tokens are row by row on a ``grid`` of (H, W); None means a square. Raises ``ValueError``
        unless N = H * W, and as the fusion itself does.
        """
        if not is_traced():
            self.check(rgb, tir, grid)
        grid = _square(rgb.shape[1]) if grid is None else grid
        rgb, tir = (x.unflatten(1, grid).permute(0, 3, 1, 2) for x in (rgb, tir))  # (B, C, H, W)
        return self.fusion(rgb, tir).flatten(2).transpose(1, 2)  # (B, N, C)

    def check(self, rgb: Tensor, tir: Tensor, grid: tuple[int, int] | None) -> None:
        """``ValueError`` in one line for tokens that do not fill the grid."""
        require_same("rgb", rgb, "tir", tir)
        if rgb.ndim != 3:
            raise ValueError(f"tokens have shape {tuple(rgb.shape)}; expected (B, N, C)")
        if grid is not None and not (
            isinstance(grid, Sequence)
            and len(grid) == 2
            and all(isinstance(side, int) for side in grid)
        ):
            raise ValueError(f"grid is {grid!r}; expected two whole numbers, (H, W)")
        count = rgb.shape[1]
        height, width = _square(count) if grid is None else grid
        if height < 1 or width < 1 or height * width != count:
            shape = "a square grid" if grid is None else f"grid=({height}, {width})"
            raise ValueError(
                f"{count} tokens do not fill {shape}; give grid=(H, W) with H * W = {count}, "
                "and split off class or register tokens before the call"
            )


def _square(count: int) -> tuple[int, int]:
    return math.isqrt(count), math.isqrt(count)
