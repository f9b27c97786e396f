"""Putting drawn figures into frames at sub-pixel places, and the boxes that go with them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.sprites import Pose


class Placement(NamedTuple):
    """Where a pose stands: foot point in image pixels, height in pixels, facing left or right."""

    foot: NDArray[np.floating]
    tall: float
    mirrored: bool


def placed_box(pose: Pose, place: Placement, width: int, height: int) -> NDArray[np.float64]:
    """The box x, y, w, h around the whole figure, cut to the image."""
    points = pose.hull @ _matrix(pose, place)[:, :2].T + _matrix(pose, place)[:, 2]
    limits = np.array([width, height], float)
    low, high = np.clip(points.min(0), 0, limits), np.clip(points.max(0), 0, limits)
    return np.concatenate([low, high - low])


def stamp(
    pose: Pose,
    place: Placement,
    rgb: NDArray[np.uint8],
    tir: NDArray[np.uint8],
    cold: float,
    hot: float,
) -> NDArray[np.uint8]:
    """Draw a figure into ``rgb`` (H, W, 3) and ``tir`` (H, W), both changed in place.

    Its coldest part gets ``cold`` and its hottest ``hot`` grey levels. Returns its cover
    (H, W) uint8, 255 where it hides what is behind it.
    """
    height, width = tir.shape
    cover = np.zeros((height, width), np.uint8)
    matrix = _matrix(pose, place)
    corners = np.array([[0, 0], pose.heat.shape[::-1]]) @ matrix[:, :2].T + matrix[:, 2]
    low = np.clip(np.floor(corners.min(0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, (width, height)).astype(int)
    if (high <= low).any():
        return cover
    # cv2 puts pixel centres at whole numbers, the matrix is in continuous coordinates.
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5 - low
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    rgba, heat = (cv2.warpAffine(layer, local, size) for layer in (pose.rgba, pose.heat))
    window = slice(low[1], high[1]), slice(low[0], high[0])
    alpha = rgba[..., 3].astype(np.float32) / 255
    rgb[window] = (rgb[window] * (1 - alpha)[..., None] + rgba[..., :3]).astype(np.uint8)
    warm = alpha * cold + heat.astype(np.float32) * ((hot - cold) / 255)
    tir[window] = np.clip(tir[window] * (1 - alpha) + warm, 0, 255).astype(np.uint8)
    cover[window] = rgba[..., 3]
    return cover


def shadow(rgb: NDArray[np.uint8], place: Placement, wide: float, depth: float) -> None:
    """Darken the ground under a figure, in place; ``depth`` 0..1 fades it with the light."""
    height, width = rgb.shape[:2]
    x, y = place.foot
    low = np.clip([x - wide, y - 0.25 * wide], 0, (width, height)).astype(int)
    high = np.clip([x + wide, y + 0.25 * wide], 0, (width, height)).astype(int)
    if (high <= low).any():
        return
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    distance = ((columns - x) / wide) ** 2 + ((rows - y) / (0.25 * wide)) ** 2
    darker = 1 - 0.5 * depth * np.clip(1 - distance, 0, 1)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    rgb[window] = (rgb[window] * darker[..., None]).astype(np.uint8)


def lay_over(
    image: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    left: int,
    top: int,
) -> None:
    """Lay a premultiplied layer over ``image`` in place, its corner at (``left``, ``top``)."""
    height, width = alpha.shape
    x0, x1 = np.clip([left, left + width], 0, image.shape[1])
    y0, y1 = np.clip([top, top + height], 0, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    keep = 1 - alpha[part].astype(np.float32) / 255
    if image.ndim == 3:
        keep = keep[..., None]
    below = image[y0:y1, x0:x1]
    image[y0:y1, x0:x1] = (below * keep + layer[part]).astype(np.uint8)


def _matrix(pose: Pose, place: Placement) -> NDArray[np.float64]:
    """(2, 3) from the pose's picture to the image, both in continuous coordinates."""
    scale = place.tall / pose.height
    across = -scale if place.mirrored else scale
    matrix = np.array([[across, 0, 0], [0, scale, 0.0]])
    matrix[:, 2] = place.foot - matrix[:, :2] @ pose.foot
    return matrix
