"""Crop-transform-paste: a target cut out by its mask and put into another scene.

After Li et al., *Self-Supervised Tracking via Target-Aware Data Synthesis* (TNNLS 2023). A still
image teaches where things are, seldom that they move before other things; a pasted target has
another background than its template, another shape, and what the other scene shows beside it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, xywh_to_cxcywh
from rgbt_track.data.masks import mask_extent
from rgbt_track.pairs.augment import View

_TURN = 15.0  # degrees, at most
_STRETCH = 0.12  # deviation of the logarithm of width and of height
_SOFT = 0.7  # pixels of blur along the edge
_LEAST = 16  # pixels that must be left of the target


def paste(target: View, scene: View, rng: np.random.Generator) -> View:
    """The target of one view, turned and stretched a little about its centre, in another view.

    Modalities that only one of the two has are lost. The target's own view is returned where they
    have none in common, where the target has no mask or next to nothing in it, and where it reaches
    out of its view, since then nothing says where its box would end.
    """
    shared = target.images.keys() & scene.images.keys()
    if target.mask is None or not shared or _reaches_out(target):
        return target
    matrix = _about(xywh_to_cxcywh(target.box)[:2], rng)
    cover = _warp(_inside(target.mask, target.box) * np.uint8(255), matrix)
    mask = cover >= 128
    if np.count_nonzero(mask) < _LEAST:
        return target
    alpha = cv2.GaussianBlur(cover, (0, 0), _SOFT).astype(np.float32)[..., None] / 255
    images = {}
    for name in target.images:
        if name in shared:
            front, back = target.images[name], scene.images[name]
            front = _warp(front, matrix).reshape(front.shape)
            images[name] = (back + alpha * (front.astype(np.float32) - back)).astype(np.uint8)
    return View(images, mask, mask_extent(mask))


def _reaches_out(view: View) -> bool:
    """Whether the target's box leaves the view by more than a pixel."""
    size = next(iter(view.images.values())).shape[0]
    return bool((view.box[:2] < -1).any() or (view.box[:2] + view.box[2:] > size + 1).any())


def _inside(mask: NDArray[np.bool_], box: Boxes) -> NDArray[np.bool_]:
    """The mask without what lies outside of the box, which may be around its largest part alone."""
    low, high = np.floor(box[:2]), np.ceil(box[:2] + box[2:])
    left, top, right, bottom = np.clip([*low, *high], 0, mask.shape[0]).astype(int)
    inside = np.zeros_like(mask)
    inside[top:bottom, left:right] = mask[top:bottom, left:right]
    return inside


def _about(center: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3) a small turn and stretch that leaves ``center`` (pixels, from the corner) alone."""
    angle = np.deg2rad(rng.uniform(-_TURN, _TURN))
    stretch = np.exp(np.clip(rng.normal(0, _STRETCH, 2), -2 * _STRETCH, 2 * _STRETCH))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn * stretch
    fixed = center - 0.5  # cv2 puts pixel centres at whole numbers
    return np.column_stack([linear, fixed - linear @ fixed])


def _warp(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return cv2.warpAffine(
        image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
