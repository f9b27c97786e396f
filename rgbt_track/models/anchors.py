"""Anchor boxes of the RPN over a response map, as pysot lays them (SiamRPN, CVPR 2018).

Encoding and decoding of offsets, the parametrization of Faster R-CNN, are written once for numpy
arrays and torch tensors::

    dx = (x - x_a) / w_a    dy = (y - y_a) / h_a    dw = log(w / w_a)    dh = log(h / h_a)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.tracker import AnchorConfig

# Exported trackers run without torch, which takes longer to import than they take to start.
if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", NDArray[np.floating], "Tensor")

_LARGEST_LOG = 8.0  # no box is e^8 anchors wide; beyond it an untrained head's exp overflows


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
    """All anchors (k * S * S, 4) as center x, center y, width, height in crop pixels.

    Centers are relative to the crop's center. The order is pysot's, anchor-major: index
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


def encode_offsets(boxes_cxcywh: Array, anchors_cxcywh: Array) -> Array:
    """Boxes on anchors, broadcastable (..., 4) -> offsets (..., 4); the inverse of the decoding."""
    centers = (boxes_cxcywh[..., :2] - anchors_cxcywh[..., :2]) / anchors_cxcywh[..., 2:]
    ratios = boxes_cxcywh[..., 2:] / anchors_cxcywh[..., 2:]
    if isinstance(ratios, np.ndarray):
        return np.concatenate([centers, np.log(ratios)], -1)
    import torch

    return torch.cat([centers, ratios.log()], -1)


def decode_centers(offsets: Array, anchors_cxcywh: Array) -> Array:
    """Offsets (..., 4) on anchors (..., 4) -> centers x, y (..., 2)."""
    return offsets[..., :2] * anchors_cxcywh[..., 2:] + anchors_cxcywh[..., :2]


def decode_sizes(offsets: Array, anchors_cxcywh: Array) -> Array:
    """Offsets (..., 4) on anchors (..., 4) -> widths and heights (..., 2), always finite."""
    logs = offsets[..., 2:].clip(-_LARGEST_LOG, _LARGEST_LOG)
    growth = np.exp(logs) if isinstance(logs, np.ndarray) else logs.exp()
    return growth * anchors_cxcywh[..., 2:]


def decode_offsets(offsets: Tensor, anchors_cxcywh: Tensor) -> Tensor:
    """Offsets (..., 4) on anchors (..., 4) -> boxes cx, cy, w, h (..., 4)."""
    import torch

    centers = decode_centers(offsets, anchors_cxcywh)
    return torch.cat([centers, decode_sizes(offsets, anchors_cxcywh)], -1)
