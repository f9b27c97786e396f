"""Crop-transform-paste: a target cut out by its mask and pasted into another scene.

After Li et al., *Self-Supervised Tracking via Target-Aware Data Synthesis* (TNNLS 2023). Still
images teach appearance, but seldom motion before a changing background; a pasted target has another
background and another shape than its template, and distractors of the other scene beside it.

The order of random draws is part of the format: a seed must give the same pairs in every version.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import xywh_to_cxcywh
from rgbt_track.data.masks import mask_extent
from rgbt_track.pairs.augment import View

_MAX_ROTATION = 15.0  # degrees
_STRETCH_STD = 0.12  # of the logarithm of width and of height
_EDGE_BLUR = 0.7  # pixels
_MIN_PIXELS = 16  # of the pasted target


def paste(target: View, scene: View, rng: np.random.Generator) -> View:
    """The target of one view, rotated and stretched a little about its center, in another view.

    Modalities that only one of the two has are dropped. The target's own view is returned where
    they have none in common, where the target has no mask or next to nothing in it, and where it
    reaches out of its view, since then its box cannot be computed.
    """
    shared = target.images.keys() & scene.images.keys()
    size = next(iter(target.images.values())).shape[0]
    low, high = target.box[:2], target.box[:2] + target.box[2:]
    reaches_out = (low < -1).any() or (high > size + 1).any()
    if target.mask is None or not shared or reaches_out:
        return target
    # The mask without what lies outside of the box, which may be around its largest part alone.
    left, top, right, bottom = np.clip([*np.floor(low), *np.ceil(high)], 0, size).astype(int)
    mask = np.zeros_like(target.mask)
    mask[top:bottom, left:right] = target.mask[top:bottom, left:right]
    # Rotate and stretch about the box's center.
    angle = np.deg2rad(rng.uniform(-_MAX_ROTATION, _MAX_ROTATION))
    limit = 2 * _STRETCH_STD
    stretch = np.exp(np.clip(rng.normal(0, _STRETCH_STD, 2), -limit, limit))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation * stretch
    center = xywh_to_cxcywh(target.box)[:2] - 0.5  # cv2 puts pixel centers at whole numbers
    matrix = np.column_stack([linear, center - linear @ center])
    alpha = _warp(mask * np.uint8(255), matrix)
    mask = alpha >= 128
    if np.count_nonzero(mask) < _MIN_PIXELS:
        return target
    # Alpha-composite with a slightly blurred edge.
    soft_alpha = cv2.GaussianBlur(alpha, (0, 0), _EDGE_BLUR).astype(np.float32)[..., None] / 255
    images = {}
    for name in target.images:
        if name in shared:
            foreground, background = target.images[name], scene.images[name]
            foreground = _warp(foreground, matrix).reshape(foreground.shape).astype(np.float32)
            composite = background + soft_alpha * (foreground - background)
            images[name] = composite.astype(np.uint8)
    return View(images, mask, mask_extent(mask))


def _warp(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return cv2.warpAffine(
        image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
