"""A visible and a thermal picture painted together."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import fractal_noise


class Canvas:
    """Two float images painted together; ``paint`` touches only the bounds of the shape."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.tir = np.zeros((height, width), np.float32)
        self.fine = fractal_noise(rng, height, width, coarsest=5, finest=8) - 0.5
        self.soft = fractal_noise(rng, height, width, coarsest=2, finest=6) - 0.5

    def paint(
        self,
        points: NDArray[np.floating],
        colour: NDArray[np.floating],
        heat: float,
        rough: float = 0.3,
        soft: float = 12.0,
    ) -> None:
        """Fill a polygon (n, 2) with one material; parts outside the canvas are left out.

        ``colour`` is (3,) in 0..255, ``heat`` in grey levels; ``rough`` is the share of the colour
        and ``soft`` the grey levels by which the material's texture varies.
        """
        corners = np.round(points).astype(np.int32)
        low = np.clip(corners.min(0) - 1, 0, (self.width, self.height))
        high = np.clip(corners.max(0) + 2, 0, (self.width, self.height))
        if (high <= low).any():
            return
        mask = np.zeros(tuple((high - low)[::-1]), np.uint8)
        cv2.fillPoly(mask, [corners - low.astype(np.int32)], 255, cv2.LINE_AA)
        window = slice(low[1], high[1]), slice(low[0], high[0])
        self.blend(window, np.float32(1 / 255) * mask, colour, heat, rough, soft)

    def blend(
        self,
        window: tuple[slice, slice],
        cover: NDArray[np.float32],
        colour: NDArray[np.floating],
        heat: float,
        rough: float,
        soft: float,
    ) -> None:
        """Lay a material over a window of the canvas, ``cover`` (h, w) in 0..1 deep."""
        texture = 1 + rough * self.fine[window] * 2
        target = texture[..., None] * np.asarray(colour, np.float32)
        self.rgb[window] += cover[..., None] * (target - self.rgb[window])
        uneven = 2 * self.soft[window] + self.fine[window]
        self.tir[window] += cover * (heat + soft * uneven - self.tir[window])
