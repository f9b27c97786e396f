"""What cameras do to a picture: darkness, smoke and noise; blur, drift and fixed pattern.

The thermal part follows uncooled microbolometers: soft optics, the column noise of their readout,
temporal noise, automatic gain, and the dark halo around hot things.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import Grain, fractal_noise


class VisibleCamera:
    """Turns a clean picture into a frame: light, smoke, noise."""

    def __init__(self, rng: np.random.Generator, width: int, height: int, noise: float) -> None:
        self._grain = Grain(rng, height, width, 3)
        self._noise = noise
        self._cloud = (255 * fractal_noise(rng, height, 3 * width, 2, 5)).astype(np.uint8)
        self._smoke = rng.uniform(140, 210) * np.array([rng.uniform(0.75, 1), 1.0, 1.03])
        self._drift = rng.uniform(0.8, 2.5)

    def take(
        self,
        rgb: NDArray[np.uint8],
        glow: NDArray[np.uint8],
        light: float,
        haze: float,
        index: int,
        rng: np.random.Generator,
    ) -> NDArray[np.uint8]:
        """One frame (H, W, 3) from the clean one; ``light`` and ``haze`` in 0..1."""
        if haze > 0.01:
            rgb = self._in_smoke(rgb, haze, index)
        if light < 0.999:
            rgb = _in_the_dark(rgb, glow, light)
        return self._grain.add(rgb, self._noise, rng)

    def _in_smoke(self, rgb: NDArray[np.uint8], haze: float, index: int) -> NDArray[np.uint8]:
        width = rgb.shape[1]
        start = int(index * self._drift) % (2 * width)
        cloud = self._cloud[:, start : start + width].astype(np.float32) / 255
        thickness = np.clip(haze * (2.2 * cloud - 0.05), 0, 0.97)[..., None]
        smoke = self._smoke.astype(np.float32) * (0.75 + 0.4 * cloud)[..., None]
        return np.clip(rgb + thickness * (smoke - rgb), 0, 255).astype(np.uint8)


class ThermalCamera:
    """Turns a clean temperature picture into an 8-bit thermal frame.

    Cameras show the same scene anywhere between grey in grey and white figures on black, so
    ``gain`` (grey levels per level of the clean picture) and the level of the ground are drawn.
    """

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, ground_heat: float
    ) -> None:
        self.gain = rng.uniform(0.55, 1.5)
        self._offset = rng.uniform(28, 135) - self.gain * ground_heat
        self._blur, self._noise = rng.uniform(0.6, 1.3), rng.uniform(1.0, 2.5)
        self._halo, uneven = rng.uniform(0.0, 0.35), rng.uniform(0.3, 1.3)
        self._drift = 0.0
        # Everything above is one look, whatever the size: draws that depend on it come last.
        columns = rng.normal(0, uneven, (1, width)) + rng.normal(0, 0.3, (height, 1))
        self._pattern = np.round(columns).astype(np.int16)
        self._grain = Grain(rng, height, width, 1)

    def take(self, tir: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """One frame (H, W) from the clean one."""
        self._drift = 0.95 * self._drift + rng.normal(0, 0.35)
        soft = cv2.GaussianBlur(tir, (0, 0), self._blur)
        around = cv2.blur(cv2.resize(soft, None, fx=0.25, fy=0.25), (9, 9))
        around = cv2.resize(around, soft.shape[::-1], interpolation=cv2.INTER_LINEAR)
        gain = self.gain * (1 + self._halo)
        shift = self._offset + self._drift
        frame = cv2.addWeighted(soft, gain, around, -self.gain * self._halo, shift)
        frame = cv2.add(frame, self._pattern, dtype=cv2.CV_8U)
        return self._grain.add(frame, self._noise, rng)


def _in_the_dark(
    rgb: NDArray[np.uint8], glow: NDArray[np.uint8], light: float
) -> NDArray[np.uint8]:
    """Less and bluer light, and the lamps that now matter."""
    levels = np.arange(256) / 255
    tint = 1 + (1 - light) * np.array([-0.12, -0.05, 0.18])
    table = 255 * light * levels[:, None] ** (1 + 0.35 * (1 - light)) * tint
    dark = cv2.LUT(rgb, np.clip(table, 0, 255).astype(np.uint8).reshape(256, 1, 3))
    lamp = cv2.cvtColor(cv2.convertScaleAbs(glow, alpha=1 - light), cv2.COLOR_GRAY2RGB)
    lit = cv2.multiply(rgb, lamp, scale=1 / 400)
    return cv2.add(cv2.add(dark, lit), lamp // 3)
