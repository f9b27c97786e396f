"""Models of the two cameras: darkness, smoke and noise; blur, drift and fixed-pattern noise.

The thermal camera follows uncooled microbolometers: soft optics, the column noise of their readout,
temporal noise, automatic gain, and the dark halo around hot objects.

The order of random draws is part of the format: a seed must give the same frames in every version.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import SensorNoise, fractal_noise


class VisibleCamera:
    """Turns a clean image into a frame: low light, smoke, noise.

    Args:
        rng: where noise and smoke are drawn from.
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        noise_std: standard deviation of the noise in gray levels.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int, noise_std: float) -> None:
        self._noise = SensorNoise(rng, height, width, 3)
        self._noise_std = noise_std
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
        """One frame (H, W, 3) from the clean one.

        Args:
            rgb: (H, W, 3) the clean image.
            glow: (H, W) light of the lamps at night.
            light: 0 (no light) to 1 (day).
            haze: share of the image that smoke hides, 0..1.
            index: number of the frame; the smoke drifts with it.
            rng: where the frame's noise is drawn from.
        """
        if haze > 0.01:
            # Drifting clouds of smoke: a window that moves along a wide noise field.
            width = rgb.shape[1]
            start = int(index * self._drift) % (2 * width)
            cloud = self._cloud[:, start : start + width].astype(np.float32) / 255
            thickness = np.clip(haze * (2.2 * cloud - 0.05), 0, 0.97)[..., None]
            smoke = self._smoke.astype(np.float32) * (0.75 + 0.4 * cloud)[..., None]
            rgb = np.clip(rgb + thickness * (smoke - rgb), 0, 255).astype(np.uint8)
        if light < 0.999:
            # Darkness: less and bluer light, by a look-up table.
            levels = np.arange(256) / 255
            tint = 1 + (1 - light) * np.array([-0.12, -0.05, 0.18])
            table = 255 * light * levels[:, None] ** (1 + 0.35 * (1 - light)) * tint
            dark = cv2.LUT(rgb, np.clip(table, 0, 255).astype(np.uint8).reshape(256, 1, 3))
            # Lamps light the scene around them and glare into the camera.
            lamp = cv2.cvtColor(cv2.convertScaleAbs(glow, alpha=1 - light), cv2.COLOR_GRAY2RGB)
            lamp_lit = cv2.multiply(rgb, lamp, scale=1 / 400)
            rgb = cv2.add(cv2.add(dark, lamp_lit), lamp // 3)
        return self._noise.add(rgb, self._noise_std, rng)


class ThermalCamera:
    """Turns a clean temperature image into an 8-bit thermal frame.

    Cameras show the same scene anywhere between low contrast in mid gray and white figures on
    black, so ``gain`` (gray levels per level of the clean image) and the gray level of the ground
    are drawn.

    Args:
        rng: where the camera's properties are drawn from.
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        ground_heat: level of the ground in the clean images.
    """

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, ground_heat: float
    ) -> None:
        self.gain = rng.uniform(0.55, 1.5)
        self._offset = rng.uniform(28, 135) - self.gain * ground_heat
        self._blur, self._noise_std = rng.uniform(0.6, 1.3), rng.uniform(1.0, 2.5)
        self._halo, column_std = rng.uniform(0.0, 0.35), rng.uniform(0.3, 1.3)
        self._drift = 0.0
        # The draws above give one appearance at any image size: draws that depend on it come last.
        columns = rng.normal(0, column_std, (1, width)) + rng.normal(0, 0.3, (height, 1))
        self._pattern = np.round(columns).astype(np.int16)
        self._noise = SensorNoise(rng, height, width, 1)

    def take(self, tir: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """One frame (H, W) from the clean one."""
        self._drift = 0.95 * self._drift + rng.normal(0, 0.35)
        soft = cv2.GaussianBlur(tir, (0, 0), self._blur)
        # The halo is the local mean, subtracted; computed at a quarter of the size.
        local_mean = cv2.blur(cv2.resize(soft, None, fx=0.25, fy=0.25), (9, 9))
        local_mean = cv2.resize(local_mean, soft.shape[::-1], interpolation=cv2.INTER_LINEAR)
        gain = self.gain * (1 + self._halo)
        shift = self._offset + self._drift
        frame = cv2.addWeighted(soft, gain, local_mean, -self.gain * self._halo, shift)
        frame = cv2.add(frame, self._pattern, dtype=cv2.CV_8U)
        return self._noise.add(frame, self._noise_std, rng)
