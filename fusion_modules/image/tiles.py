"""Pictures of any size, tile by tile: bounded memory, no seams, and faster on processors.

A tile is cut with the network's ``margin`` around it and the margin is thrown away again, so every
pixel sees exactly what it would see in the whole picture; at the picture's border the tile ends
where the picture does and the network pads as it always does. Small tiles keep the wide maps inside
the caches, where whole pictures spend over half of their time in fetching fresh memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from itertools import pairwise, product

import torch
from torch import Tensor

from fusion_modules.base import require_positive
from fusion_modules.image.base import ImageFusion

DEFAULT_TILE = 128
_Span = tuple[slice, slice, slice]


def fuse_tiled(
    network: ImageFusion,
    visible: Tensor,
    infrared: Tensor,
    tile: int = DEFAULT_TILE,
    executor: Executor | None = None,
) -> Tensor:
    """``network(visible, infrared)`` computed in tiles of ``tile`` x ``tile`` pixels.

    Equal to the whole computation up to rounding. Pictures are (B, c, H, W) in [0, 1]. With an
    ``executor`` of threads, tiles are computed beside each other.
    """
    network.check(visible, infrared)
    return _tiled(network.fuse, network.margin, visible, infrared, tile, executor)


def parts_tiled(
    network: ImageFusion,
    visible: Tensor,
    infrared: Tensor,
    tile: int = DEFAULT_TILE,
    executor: Executor | None = None,
) -> dict[str, Tensor]:
    """``network.parts(visible, infrared)`` computed in tiles, as in ``fuse_tiled``."""
    network.check(visible, infrared)
    names = network.part_names

    def stacked(visible: Tensor, infrared: Tensor) -> Tensor:
        parts = network.parts(visible, infrared)
        return torch.cat([parts[name] for name in names], dim=1)

    whole = _tiled(stacked, network.margin, visible, infrared, tile, executor)
    return dict(zip(names, whole.chunk(len(names), dim=1), strict=True))


def _tiled(
    function: Callable[[Tensor, Tensor], Tensor],
    margin: int,
    visible: Tensor,
    infrared: Tensor,
    tile: int,
    executor: Executor | None,
) -> Tensor:
    height, width = visible.shape[-2:]
    require_positive("tile", tile)
    tiles = list(product(_spans(height, tile, margin), _spans(width, tile, margin)))
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def compute(spans: tuple[_Span, _Span]) -> Tensor:
        (rows, inner_rows, _), (columns, inner_columns, _) = spans
        with torch.set_grad_enabled(modes[0]), torch.inference_mode(modes[1]):  # each thread's own
            result = function(visible[..., rows, columns], infrared[..., rows, columns])
            return result[..., inner_rows, inner_columns]

    whole: Tensor | None = None
    results = executor.map(compute, tiles) if executor else map(compute, tiles)
    for ((_, _, rows), (_, _, columns)), result in zip(tiles, results, strict=True):
        if whole is None:
            whole = result.new_empty(*result.shape[:2], height, width)
        whole[..., rows, columns] = result
    assert whole is not None
    return whole


def _spans(size: int, tile: int, margin: int) -> Iterator[_Span]:
    """Of each tile of one axis: what is cut, what of that is kept, and where it goes."""
    count = max(-(-size // tile), 1)
    edges = [index * size // count for index in range(count + 1)]
    for begin, end in pairwise(edges):
        start, stop = max(begin - margin, 0), min(end + margin, size)
        yield slice(start, stop), slice(begin - start, end - start), slice(begin, end)
