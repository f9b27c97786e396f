"""Drawing figures into frames at sub-pixel positions, and the boxes that go with them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.sprites import Pose


class Placement(NamedTuple):
    """Where a pose stands: foot point (2,) and height in image pixels, mirrored or not."""

    foot: NDArray[np.floating]
    height: float
    mirrored: bool


def pose_to_image(pose: Pose, placement: Placement) -> NDArray[np.float64]:
    """(2, 3) matrix from the pose's image to the frame, both in continuous coordinates."""
    scale = placement.height / pose.height
    scale_x = -scale if placement.mirrored else scale
    matrix = np.array([[scale_x, 0, 0], [0, scale, 0.0]])
    matrix[:, 2] = placement.foot - matrix[:, :2] @ pose.foot
    return matrix


def pose_box(pose: Pose, placement: Placement, width: int, height: int) -> NDArray[np.float64]:
    """The box x, y, w, h around the whole figure, cut to the image.

    Args:
        pose: the figure.
        placement: where it stands.
        width: of the image, in pixels.
        height: of the image, in pixels.
    """
    matrix = pose_to_image(pose, placement)
    points = pose.hull @ matrix[:, :2].T + matrix[:, 2]
    limits = np.array([width, height], float)
    low, high = np.clip(points.min(0), 0, limits), np.clip(points.max(0), 0, limits)
    return np.concatenate([low, high - low])


def composite_pose(
    pose: Pose,
    placement: Placement,
    rgb: NDArray[np.uint8],
    tir: NDArray[np.uint8],
    cold: float,
    hot: float,
) -> NDArray[np.uint8]:
    """Alpha-composite a figure onto both images, in place.

    Args:
        pose: the figure.
        placement: where it stands.
        rgb: (H, W, 3) visible image, changed in place.
        tir: (H, W) thermal image, changed in place.
        cold: gray level of the figure's coldest part.
        hot: gray level of its hottest part.

    Returns:
        The figure's alpha (H, W) uint8, 255 where it hides what is behind it.
    """
    height, width = tir.shape
    frame_alpha = np.zeros((height, width), np.uint8)
    matrix = pose_to_image(pose, placement)
    corners = np.array([[0, 0], pose.heat.shape[::-1]]) @ matrix[:, :2].T + matrix[:, 2]
    low = np.clip(np.floor(corners.min(0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, (width, height)).astype(int)
    if (high <= low).any():
        return frame_alpha
    # cv2 puts pixel centers at whole numbers, the matrix is in continuous coordinates.
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5 - low
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    rgba, heat = (cv2.warpAffine(layer, local, size) for layer in (pose.rgba, pose.heat))
    window = slice(low[1], high[1]), slice(low[0], high[0])
    alpha = rgba[..., 3].astype(np.float32) / 255
    rgb[window] = (rgb[window] * (1 - alpha)[..., None] + rgba[..., :3]).astype(np.uint8)
    temperature = alpha * cold + heat.astype(np.float32) * ((hot - cold) / 255)
    tir[window] = np.clip(tir[window] * (1 - alpha) + temperature, 0, 255).astype(np.uint8)
    frame_alpha[window] = rgba[..., 3]
    return frame_alpha


def draw_shadow(rgb: NDArray[np.uint8], placement: Placement, radius: float, depth: float) -> None:
    """Darken the ground under a figure, in place.

    Args:
        rgb: (H, W, 3) image.
        placement: where the figure stands.
        radius: half the shadow's width in pixels; its height is a quarter of the width.
        depth: 0 (none) to 1, fades with the light.
    """
    height, width = rgb.shape[:2]
    x, y = placement.foot
    low = np.clip([x - radius, y - 0.25 * radius], 0, (width, height)).astype(int)
    high = np.clip([x + radius, y + 0.25 * radius], 0, (width, height)).astype(int)
    if (high <= low).any():
        return
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    distance = ((columns - x) / radius) ** 2 + ((rows - y) / (0.25 * radius)) ** 2
    factor = 1 - 0.5 * depth * np.clip(1 - distance, 0, 1)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    rgb[window] = (rgb[window] * factor[..., None]).astype(np.uint8)


def alpha_composite(
    image: NDArray[np.uint8],
    layer: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    left: int,
    top: int,
) -> None:
    """Composite a premultiplied layer onto an image, in place.

    Args:
        image: (H, W) or (H, W, 3).
        layer: (h, w) or (h, w, 3), multiplied by its alpha.
        alpha: (h, w), 255 where the layer hides the image.
        left: column of the layer's corner in the image; may lie outside of it.
        top: row of the layer's corner.
    """
    height, width = alpha.shape
    x0, x1 = np.clip([left, left + width], 0, image.shape[1])
    y0, y1 = np.clip([top, top + height], 0, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    visible = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    transparency = 1 - alpha[visible].astype(np.float32) / 255
    if image.ndim == 3:
        transparency = transparency[..., None]
    background = image[y0:y1, x0:x1]
    image[y0:y1, x0:x1] = (background * transparency + layer[visible]).astype(np.uint8)
