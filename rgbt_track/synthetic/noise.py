"""Random fields for synthetic backgrounds and thermal sensors: fractal noise and sensor noise.

The order of random draws is part of the format: a seed must give the same noise in every version.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, coarsest: int = 3, finest: int = 7
) -> NDArray[np.float32]:
    """Cloudy noise (height, width) in [0, 1]: the sum of smoothly enlarged random grids.

    Args:
        rng: where the grids are drawn from.
        height: rows.
        width: columns.
        coarsest: first octave; octave ``k`` has about ``2**k`` cells along the longer side.
        finest: last octave; each has half the amplitude of the octave before it.
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
    """0 below ``low``, 1 above ``high``, a cubic S-curve in between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class SensorNoise:
    """Normal noise at little cost per frame: random windows of one large field.

    Args:
        rng: where the field is drawn from.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        channels: of the frames.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int, channels: int) -> None:
        shape = (height + 61, width + 67, channels)
        self._field = np.round(rng.standard_normal(shape, np.float32) * 64).astype(np.int16)
        self._size = (height, width)

    def add(
        self, image: NDArray[np.uint8], std: float, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """``image`` plus normal noise of standard deviation ``std`` gray levels, saturated."""
        top, left = int(rng.integers(61)), int(rng.integers(67))
        window = self._field[top : top + self._size[0], left : left + self._size[1]]
        if image.ndim == 2:
            window = window[..., 0]
        return cv2.addWeighted(image, 1.0, window, std / 64, 0.0, dtype=cv2.CV_8U)
