"""Boxes out of masks, for sets that label targets by pixels only."""

from __future__ import annotations

from collections.abc import Sequence as Items
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes
from rgbt_track.io.images import read_tir

_THREADS = 4


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Read a mask image as (H, W) uint8, its values as stored (a color mask by its maximum)."""
    mask = read_tir(path)
    if mask.dtype != np.uint8:
        raise ValueError(f"{path}: mask of type {mask.dtype}; expected 8 bits")
    return np.asarray(mask if mask.ndim == 2 else mask.max(axis=2), np.uint8)


def foreground(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The target's pixels: above half of the mask's largest value, be that 1 or 255."""
    return mask > mask.max() / 2


def mask_extent(mask: NDArray[np.bool_]) -> Boxes:
    """The box x, y, w, h around the true pixels of a mask (H, W); NaN for an empty one."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return np.full(4, np.nan)
    left, top = columns[0], rows[0]
    return np.array([left, top, columns[-1] + 1 - left, rows[-1] + 1 - top], float)


def largest_object(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask: a box around two separate regions is no target."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def boxes_from_masks(paths: Items[Path]) -> NDArray[np.float64]:
    """Boxes (N, 4) around the largest object of each mask, NaN for an empty one; in parallel."""
    with ThreadPoolExecutor(_THREADS) as pool:
        boxes = list(pool.map(_box_from_mask, paths))
    return np.array(boxes, np.float64).reshape(-1, 4)


def _box_from_mask(path: Path) -> Boxes:
    return mask_extent(largest_object(foreground(read_mask(path))))
