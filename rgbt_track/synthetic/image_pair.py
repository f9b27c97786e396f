"""A visible and a thermal image painted together.

The order of random draws is part of the format: a seed must give the same images in every version.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import fractal_noise


class ImagePair:
    """Two float images, ``rgb`` (H, W, 3) and ``tir`` (H, W) in 0..255, painted together.

    Each pair draws two noise fields from ``rng``, which give the materials their texture:
    ``fine_noise`` and ``coarse_noise``, (H, W) in -0.5..0.5.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.tir = np.zeros((height, width), np.float32)
        self.fine_noise = fractal_noise(rng, height, width, coarsest=5, finest=8) - 0.5
        self.coarse_noise = fractal_noise(rng, height, width, coarsest=2, finest=6) - 0.5

    def paint(
        self,
        polygon: NDArray[np.floating],
        color: NDArray[np.floating],
        heat: float,
        color_texture: float = 0.3,
        heat_texture: float = 12.0,
    ) -> None:
        """Fill a polygon with one material; parts outside the image are left out.

        Args:
            polygon: (n, 2) corners x, y in pixels.
            color: (3,) R, G, B in 0..255.
            heat: temperature in gray levels.
            color_texture: share of the color by which the texture varies.
            heat_texture: gray levels by which the temperature varies.
        """
        corners = np.round(polygon).astype(np.int32)
        low = np.clip(corners.min(0) - 1, 0, (self.width, self.height))
        high = np.clip(corners.max(0) + 2, 0, (self.width, self.height))
        if (high <= low).any():
            return
        mask = np.zeros(tuple((high - low)[::-1]), np.uint8)
        cv2.fillPoly(mask, [corners - low.astype(np.int32)], 255, cv2.LINE_AA)
        window = slice(low[1], high[1]), slice(low[0], high[0])
        alpha = np.float32(1 / 255) * mask
        self.blend(window, alpha, color, heat, color_texture, heat_texture)

    def blend(
        self,
        window: tuple[slice, slice],
        alpha: NDArray[np.float32],
        color: NDArray[np.floating],
        heat: float,
        color_texture: float,
        heat_texture: float,
    ) -> None:
        """Blend a material into a window of both images.

        Args:
            window: rows and columns.
            alpha: (h, w) opacity in 0..1, of the window's size.
            color: as in ``paint``.
            heat: as in ``paint``.
            color_texture: as in ``paint``.
            heat_texture: as in ``paint``.
        """
        texture = 1 + color_texture * self.fine_noise[window] * 2
        target = texture[..., None] * np.asarray(color, np.float32)
        self.rgb[window] += alpha[..., None] * (target - self.rgb[window])
        variation = 2 * self.coarse_noise[window] + self.fine_noise[window]
        self.tir[window] += alpha * (heat + heat_texture * variation - self.tir[window])
