"""A picture of how well a registration fits: checkerboard, false colors and the points."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.io.frames import as_rgb_uint8
from rgbt_track.registration.model import Registration, apply_matrix

Image = NDArray[np.uint8]

_TILES = 8  # across


def overlay(
    rgb: NDArray[np.generic],
    tir: NDArray[np.generic],
    registration: Registration,
    points: tuple[ArrayLike, ArrayLike] | None = None,
) -> Image:
    """Left, tiles of both frames by turns; right, visible edges in green on thermal ones in red.

    Args:
        rgb: (H, W, 3) visible frame.
        tir: thermal frame, as it comes.
        registration: what is shown.
        points: visible and thermal points (N, 2) each; a line leads from each visible point to
            where its thermal one falls.

    Returns (H, 2 W, 3) RGB uint8.
    """
    visible = as_rgb_uint8(rgb, "visible")
    height, width = visible.shape[:2]
    thermal = as_rgb_uint8(registration.warp(tir, (width, height)), "thermal")
    side = max(width // _TILES, 1)
    rows, columns = np.indices((height, width)) // side
    tiles = np.where(((rows + columns) % 2 == 0)[..., None], visible, thermal)
    edges = np.zeros_like(visible)
    edges[..., 0], edges[..., 1] = _edges(thermal), _edges(visible)
    edges[registration.coverage((width, height)) == 0] //= 2
    panels = [np.ascontiguousarray(tiles), edges]
    if points is not None:
        own = np.asarray(points[0], float)
        matrix = registration.for_sizes((width, height), (tir.shape[1], tir.shape[0]))
        mapped = apply_matrix(matrix, points[1])
        for panel in panels:
            for (x, y), (u, v) in zip(own, mapped, strict=True):
                start, end = (round(x), round(y)), (round(u), round(v))
                cv2.circle(panel, start, 5, (255, 255, 0), 1, cv2.LINE_AA)
                cv2.line(panel, start, end, (255, 64, 255), 1, cv2.LINE_AA)
    return np.hstack(panels)


def _edges(image: Image) -> Image:
    gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.0).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    scale = 255 / max(float(np.percentile(strength, 98)), 1e-6)
    return np.clip(strength * scale, 0, 255).astype(np.uint8)
