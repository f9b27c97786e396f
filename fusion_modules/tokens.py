"""Any fusion for transformer trackers, whose features are tokens on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fusion_modules.base import is_traced, require_same
from fusion_modules.factory import create_fusion


class TokenFusion(nn.Module):
    """A fusion by name, over tokens: ``TokenFusion("llrr", channels=768)``; kwargs go to it.

    Tokens that lie on no grid (class or register tokens) must be split off before and put back
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
            _check(rgb, tir, grid)
        grid = _square(rgb.shape[1]) if grid is None else grid
        fused = self.fusion(_to_map(rgb, grid), _to_map(tir, grid))
        return fused.flatten(2).transpose(1, 2)  # (B, N, C)


def _to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)  # (B, C, H, W), channels last, no copy


def _check(rgb: Tensor, tir: Tensor, grid: tuple[int, int] | None) -> None:
    require_same("rgb", rgb, "tir", tir)
    if rgb.ndim != 3:
        raise ValueError(f"tokens have shape {tuple(rgb.shape)}; expected (B, N, C)")
    count = rgb.shape[1]
    if grid is not None and not _is_pair(grid):
        raise ValueError(f"grid is {grid!r}; expected two whole numbers, (H, W)")
    height, width = _square(count) if grid is None else grid
    if height < 1 or width < 1 or height * width != count:
        given = "a square grid" if grid is None else f"grid=({height}, {width})"
        raise ValueError(
            f"{count} tokens do not fill {given}; give grid=(H, W) with H * W = {count}, "
            "and split off class or register tokens before the call"
        )


def _is_pair(grid: object) -> bool:
    return isinstance(grid, Sequence) and len(grid) == 2 and all(isinstance(n, int) for n in grid)


def _square(count: int) -> tuple[int, int]:
    return math.isqrt(count), math.isqrt(count)
