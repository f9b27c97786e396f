"""Random fields for synthetic scenery and thermal sensors: smooth noise, soft threshold, grain."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, coarsest: int = 3, finest: int = 7
) -> NDArray[np.float32]:
    """Cloudy noise (height, width) in [0, 1]: octaves of smoothly enlarged random grids.

    An octave ``k`` has about ``2**k`` cells along the longer side and half the amplitude of the
    octave before it.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(coarsest, max(finest, coarsest) + 1):
        cells = 2**octave
        rows, columns = (
            max(2, round(cells * side / max(height, width))) for side in (height, width)
        )
        grid = rng.random((rows, columns), np.float32)
        layer = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        total += layer * 0.5 ** (octave - coarsest)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def smoothstep(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    """0 below ``low``, 1 above ``high``, a smooth S between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Grain:
    """Sensor noise that costs little per frame: random windows of one large normal field."""

    def __init__(self, rng: np.random.Generator, height: int, width: int, channels: int) -> None:
        shape = (height + 61, width + 67, channels)
        self._field = np.round(rng.standard_normal(shape, np.float32) * 64).astype(np.int16)
        self._size = (height, width)

    def add(
        self, image: NDArray[np.uint8], sigma: float, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """``image`` plus normal noise of standard deviation ``sigma`` grey levels, saturated."""
        top, left = int(rng.integers(61)), int(rng.integers(67))
        window = self._field[top : top + self._size[0], left : left + self._size[1]]
        if image.ndim == 2:
            window = window[..., 0]
        return cv2.addWeighted(image, 1.0, window, sigma / 64, 0.0, dtype=cv2.CV_8U)
