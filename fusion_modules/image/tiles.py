"""Pictures of any size, tile by tile: bounded memory, no seams, and faster on processors.

A tile is cut with the network's ``margin`` around it and the margin is thrown away again, so every
pixel sees exactly what it would see in the whole picture; at the picture's border the tile ends
where the picture does and the network pads as it always does. Small tiles keep the wide maps inside
the caches, where whole pictures spend over half of their time in fetching fresh memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from fusion_modules.base import require_positive
from fusion_modules.image.base import ImageFusion

DEFAULT_TILE = 128


def fuse_tiled(
    network: ImageFusion, visible: Tensor, infrared: Tensor, tile: int = DEFAULT_TILE
) -> Tensor:
    """``network(visible, infrared)`` computed in tiles of ``tile`` x ``tile`` pixels.

    Equal to the whole computation up to rounding. Pictures are (B, c, H, W) in [0, 1].
    """
    network.check(visible, infrared)
    return _tiled(network.fuse, network.margin, visible, infrared, tile)


def parts_tiled(
    network: ImageFusion, visible: Tensor, infrared: Tensor, tile: int = DEFAULT_TILE
) -> dict[str, Tensor]:
    """``network.parts(visible, infrared)`` computed in tiles."""
    network.check(visible, infrared)
    names = network.part_names

    def stacked(visible: Tensor, infrared: Tensor) -> Tensor:
        parts = network.parts(visible, infrared)
        return torch.cat([parts[name] for name in names], dim=1)

    whole = _tiled(stacked, network.margin, visible, infrared, tile)
    return dict(zip(names, whole.chunk(len(names), dim=1), strict=True))


def _tiled(
    function: Callable[[Tensor, Tensor], Tensor],
    margin: int,
    visible: Tensor,
    infrared: Tensor,
    tile: int,
) -> Tensor:
    require_positive("tile", tile)
    height, width = visible.shape[-2:]
    whole: Tensor | None = None
    for rows, inner_rows, kept_rows in _spans(height, tile, margin):
        for columns, inner_columns, kept_columns in _spans(width, tile, margin):
            result = function(visible[..., rows, columns], infrared[..., rows, columns])
            if whole is None:
                whole = result.new_empty(*result.shape[:2], height, width)
            whole[..., kept_rows, kept_columns] = result[..., inner_rows, inner_columns]
    assert whole is not None
    return whole


def _spans(size: int, tile: int, margin: int) -> Iterator[tuple[slice, slice, slice]]:
    """Of each tile of one axis: what is cut, what of that is kept, and where it goes."""
    count = max(-(-size // tile), 1)
    edges = [index * size // count for index in range(count + 1)]
    for begin, end in pairwise(edges):
        start, stop = max(begin - margin, 0), min(end + margin, size)
        yield slice(start, stop), slice(begin - start, end - start), slice(begin, end)
