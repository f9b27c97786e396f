"""What networks and engines share of a crop, its grid and its target; needs no torch."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def required_target(target: T | None) -> T:
    """The target's box, for a network that is told it; ``ValueError`` where there is none."""
    if target is None:
        raise ValueError("this network has to be told the target's box in the template crop")
    return target


def grid_cells(size: int, stride: int = 8) -> int:
    """Cells per side for crops of ``size`` pixels: 31 for 255 and 15 for 127 at stride 8.

    Cell i is centered on pixel ``stride * (i + 1) - 1``, so the grid shares the crop's center only
    for sizes ``stride * n - 1``; others raise ``ValueError``.
    """
    if size < 2 * stride - 1 or (size + 1) % stride:
        raise ValueError(
            f"crop size {size} leaves the features off center; "
            f"use {stride} n - 1, such as {16 * stride - 1} or {32 * stride - 1}"
        )
    return (size + 1) // stride - 1
