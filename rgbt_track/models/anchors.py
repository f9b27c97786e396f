"""Anchor boxes of the RPN over a response map, as pysot lays them (SiamRPN, CVPR 2018)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.tracker import AnchorConfig


def anchor_sides(config: AnchorConfig) -> list[tuple[float, float]]:
    """Width and height in crop pixels of each anchor: ratio-major, then scale.

    As in pysot, the sides at scale 1 are rounded down to whole pixels before they are scaled.
    """
    sides = []
    for ratio in config.ratios:
        width = int(math.sqrt(config.stride * config.stride / ratio))
        height = int(width * ratio)
        sides += [(width * scale, height * scale) for scale in config.scales]
    return sides


def anchor_count(config: AnchorConfig) -> int:
    """k, the number of anchors at one position."""
    return len(config.ratios) * len(config.scales)


def anchor_boxes(config: AnchorConfig, response_size: int) -> NDArray[np.float32]:
    """All anchors (k * S * S, 4) as centre x, centre y, width, height in crop pixels.

    Centres are relative to the crop's centre. The order is pysot's, anchor-major: index
    ``a * S * S + row * S + column``, that of a (k, S, S) response flattened.
    """
    sides = np.array(anchor_sides(config), np.float32)
    offsets = (np.arange(response_size, dtype=np.float32) - (response_size - 1) / 2) * config.stride
    shape = (len(sides), response_size, response_size)
    boxes = np.empty((*shape, 4), np.float32)
    boxes[..., 0] = offsets[None, None, :]
    boxes[..., 1] = offsets[None, :, None]
    boxes[..., 2:] = sides[:, None, None, :]
    return boxes.reshape(-1, 4)
