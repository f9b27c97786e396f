"""The target's box in the template crop, as maps beside the template's features.

A crop of a fixed context shows how large the target is only by what it looks like: nothing tells a
head of the telephone in a hand from the hand. These maps do, and the head learns what to make of
them (ToMP, Mayer et al., CVPR 2022, encodes the target's box for the same reason).
"""

from __future__ import annotations

import torch
from torch import Tensor

PLANES = 3


def target_planes(target: Tensor, cells: int, stride: int, reference: float) -> Tensor:
    """Maps (B, 3, cells, cells) of a box: what it covers of each cell, and its size.

    Args:
        target: (B, 4) cx, cy, w, h in pixels from the crop's center.
        cells: side of the template in cells, around the crop's center.
        stride: pixels between cells.
        reference: the side in pixels that a size of 0 stands for.

    The first map is the share of each cell's square that the box covers, in [0, 1]; the other two
    are the logarithms of width and height over ``reference``, the same at every cell.
    """
    center, size = target[:, :2], target[:, 2:]
    rows = torch.arange(cells, device=target.device, dtype=target.dtype)
    first_edge = (rows - cells / 2) * stride  # (cells,): left edges, and upper ones
    low, high = (center - size / 2)[..., None], (center + size / 2)[..., None]  # (B, 2, 1)
    inside = torch.minimum(high, first_edge + stride) - torch.maximum(low, first_edge)
    across, down = (inside / stride).clamp(0, 1).unbind(1)  # (B, cells) each
    covered = down[:, :, None] * across[:, None, :]
    sizes = (size / reference).log()[..., None, None].expand(-1, -1, cells, cells)
    return torch.cat([covered[:, None], sizes], 1)
