"""Boxes in continuous image coordinates: the one place where box formats are converted.

Pixel column ``i`` covers ``[i, i + 1)``, so a box that covers the whole of a ``W`` pixels wide
image is ``x = 0, w = W`` and its center is ``x + w / 2``. Every function takes and returns arrays
whose last axis is the box, ``(..., 4)``, in any floating type, and leaves its input unchanged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.floating]


def xywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Left, top, width, height -> left, top, right, bottom."""
    boxes = np.asarray(boxes, float)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes: ArrayLike) -> Boxes:
    """Left, top, right, bottom -> left, top, width, height."""
    boxes = np.asarray(boxes, float)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def xywh_to_cxcywh(boxes: ArrayLike) -> Boxes:
    """Left, top, width, height -> center x, center y, width, height."""
    boxes = np.asarray(boxes, float)
    return np.concatenate([boxes[..., :2] + boxes[..., 2:] / 2, boxes[..., 2:]], axis=-1)


def cxcywh_to_xywh(boxes: ArrayLike) -> Boxes:
    """Center x, center y, width, height -> left, top, width, height."""
    boxes = np.asarray(boxes, float)
    return np.concatenate([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., 2:]], axis=-1)


def polygon_to_xywh(polygons: ArrayLike) -> Boxes:
    """Corner polygons ``(..., 2 n)`` as x1, y1, x2, y2, ... -> their enclosing boxes."""
    polygons = np.asarray(polygons, float)
    x, y = polygons[..., 0::2], polygons[..., 1::2]
    left, top = x.min(-1), y.min(-1)
    return np.stack([left, top, x.max(-1) - left, y.max(-1) - top], axis=-1)


def iou_xywh(a: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
    """Intersection over union of two broadcastable sets of boxes, in [0, 1]; 0 for empty boxes."""
    a, b = xywh_to_xyxy(a), xywh_to_xyxy(b)
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    overlap = np.clip(high - low, 0, None).prod(-1)
    area_a = np.clip(a[..., 2:] - a[..., :2], 0, None).prod(-1)
    area_b = np.clip(b[..., 2:] - b[..., :2], 0, None).prod(-1)
    union = area_a + area_b - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def xywh_from_text(text: str) -> list[float] | None:
    """'x,y,w,h' -> four numbers; ``None`` for any other text."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return values if len(values) == 4 else None


def keep_inside_xywh(box_xywh: ArrayLike, width: int, height: int, smallest: float = 1.0) -> Boxes:
    """Move and shrink one box so that it lies inside an image.

    Args:
        box_xywh: (4,), finite numbers.
        width, height: of the image in pixels.
        smallest: least side of the result in pixels, or the image's side if that is less.
    """
    x, y, w, h = np.asarray(box_xywh, float)
    left, right = _interval_inside(x, x + w, width, smallest)
    top, bottom = _interval_inside(y, y + h, height, smallest)
    return np.array([left, top, right - left, bottom - top])


def _interval_inside(low: float, high: float, size: int, smallest: float) -> tuple[float, float]:
    smallest = min(smallest, size)
    low, high = max(low, 0.0), min(high, float(size))
    low = min(low, size - smallest)
    return low, min(max(high, low + smallest), float(size))
