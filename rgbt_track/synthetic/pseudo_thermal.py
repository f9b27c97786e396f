"""A plausible thermal image made from a visible one, so that RGB sets train an RGB-T tracker.

Kept from reality: a thermal image shows the same shapes, but with gray levels that have little to
do with color or brightness; less texture; a target that is hotter or colder than its surroundings,
most in its middle, or not distinguishable at all (crossover); soft optics, halo, noise, fixed
pattern, a camera's own gain and level, and now and then another object as warm as the target.

Method: (1) edge-preserving smoothing; (2) a random smooth map from color to temperature, so that a
surface of one color has one temperature; (3) part of the fine detail added back, with either sign;
(4) a vertical gradient and warm patches; (5) the target's own temperature, by mask or by a soft
mask estimated from its box, and decoys, copies of its shape beside it, so that no network learns
that the bright spot is always the target; (6) the camera. It teaches what fusion is for, and
nothing about radiometry. One instance keeps its draws, so that the frames of a sequence are
consistent, and equal seeds give the same appearance at any image size.

The order of random draws is part of the format: a seed must give the same images in every version.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.synthetic.cameras import ThermalCamera
from rgbt_track.synthetic.noise import fractal_noise

_CUBE = 32
_KNOTS = 5
_LEVEL = 110.0


class PseudoThermal:
    """One scene and thermal camera, drawn from ``rng``; called for each frame of a sequence.

    Args:
        rng: where everything is drawn from, also the noise of each frame.
        width: of the images, in pixels.
        height: of the images, in pixels.
        contrast: the target's temperature against its surroundings, 1 being about 120 gray
            levels: positive hot, negative cold, near 0 crossover; without it drawn, mostly hot.
    """

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, contrast: float | None = None
    ) -> None:
        self._rng = rng
        if contrast is None:
            kind = rng.random()
            low, high = (0.3, 1.0) if kind < 0.7 else (-0.6, -0.25) if kind < 0.87 else (-0.1, 0.1)
            contrast = float(rng.uniform(low, high))
        self.contrast = contrast
        self._cube = temperature_cube(rng)
        self._detail = rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(0.05, 0.6)
        self._core, self._cloth = rng.uniform(0.2, 0.6), rng.uniform(-0.4, 0.4)
        slope, unevenness, hot = rng.uniform(-8, 22), rng.uniform(0, 40), rng.uniform(90, 150)
        decoys = int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2]))
        self._decoys = [Decoy.draw(rng) for _ in range(decoys)]
        self._camera = ThermalCamera(rng, width, height, _LEVEL)
        self._hot = hot / self._camera.gain
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        patches = fractal_noise(rng, height, width, coarsest=1, finest=3) - 0.5
        self._scene = slope * rows + unevenness * patches

    def __call__(
        self,
        rgb: NDArray[np.uint8],
        mask: NDArray[np.bool_] | None = None,
        box: ArrayLike | None = None,
        contrast: float | None = None,
    ) -> NDArray[np.uint8]:
        """Thermal image (H, W) uint8 of a visible one.

        Args:
            rgb: (H, W, 3) uint8.
            mask: (H, W) the target's pixels.
            box: x, y, w, h of the target, used where there is no mask; without either there is no
                target.
            contrast: replaces the instance's, for a contrast that changes in time.

        Raises:
            ValueError: an image of another size than the instance's.
        """
        height, width = self._scene.shape
        if rgb.shape[:2] != (height, width):
            raise ValueError(f"image of {rgb.shape[:2]} for a camera of {self._scene.shape} pixels")
        # 1. Smooth within surfaces, not across edges; at half size, where it costs a quarter.
        half_size = max(width // 2, 1), max(height // 2, 1)
        smooth = cv2.resize(rgb, half_size, interpolation=cv2.INTER_AREA)
        smooth = cv2.bilateralFilter(smooth, 7, 40, 5)
        smooth = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
        # 2. Color to temperature.
        heat = _LEVEL + self._cube[tuple(np.moveaxis(smooth // (256 // _CUBE), 2, 0))]
        # 3. Fine detail, and 4. gradient and patches of the scene.
        brightness = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        fine = brightness.astype(np.float32) - cv2.blur(brightness, (9, 9))
        heat += self._scene + self._detail * np.clip(fine, -60, 60)
        # 5. Decoys and target.
        alpha = target_alpha(rgb, mask, box)
        if alpha is not None and alpha.max() > 0.5:
            contrast = self.contrast if contrast is None else contrast
            for decoy in self._decoys:
                heat = self._add_object(heat, decoy.alpha(alpha), fine, contrast * decoy.contrast)
            heat = self._add_object(heat, alpha, fine, contrast)
        # 6. Camera.
        return self._camera.take(np.clip(heat, 0, 255).astype(np.uint8), self._rng)

    def _add_object(
        self,
        heat: NDArray[np.float32],
        alpha: NDArray[np.float32],
        fine: NDArray[np.float32],
        contrast: float,
    ) -> NDArray[np.float32]:
        """Give an object the mean temperature around it plus its own, more in its middle.

        All arrays are (H, W); ``fine`` is the detail that becomes the object's texture.
        """
        ring = cv2.dilate(alpha, np.ones((15, 15), np.uint8)) - alpha
        weight = float(ring.sum())
        level = float((heat * ring).sum() / weight) if weight > 1 else _LEVEL
        side = max(3, int(np.sqrt(alpha.sum()) / 3) | 1)
        profile = (1 - self._core) + self._core * cv2.blur(alpha, (side, side))
        object_heat = level + self._hot * contrast * profile + self._cloth * np.clip(fine, -60, 60)
        return heat + alpha * (object_heat - heat)


class Decoy(NamedTuple):
    """A copy of the target's shape beside it.

    Args:
        shift: (2,) from the target's center, in target sizes.
        scale: size relative to the target's.
        mirrored: left and right exchanged.
        contrast: thermal contrast relative to the target's.
    """

    shift: NDArray[np.float64]
    scale: float
    mirrored: bool
    contrast: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Decoy:
        """A random decoy 1.3 to 2.5 target sizes away."""
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(1.3, 2.5)
        shift = distance * np.array([np.cos(angle), 0.6 * np.sin(angle)])
        mirrored, contrast = bool(rng.random() < 0.5), rng.uniform(0.6, 1.2)
        return cls(shift, rng.uniform(0.75, 1.25), mirrored, contrast)

    def alpha(self, target_alpha: NDArray[np.float32]) -> NDArray[np.float32]:
        """The decoy's alpha (H, W) for the target's, as far as it lies in the image."""
        x, y, w, h = cv2.boundingRect((target_alpha > 0.5).astype(np.uint8))
        scale_x = -self.scale if self.mirrored else self.scale
        matrix = np.array([[scale_x, 0, 0], [0, self.scale, 0]])
        center = np.array([x + w / 2, y + h / 2])
        matrix[:, 2] = center + self.shift * (w, h) - matrix[:, :2] @ center
        return cv2.warpAffine(target_alpha, matrix, target_alpha.shape[::-1])


def pseudo_thermal(
    rgb: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None,
    box: ArrayLike | None,
    rng: np.random.Generator,
    contrast: float | None = None,
) -> NDArray[np.uint8]:
    """Thermal image (H, W) uint8 for one visible image (H, W, 3).

    Args:
        rgb: as in ``PseudoThermal.__call__``.
        mask: as there.
        box: as there.
        rng: as in ``PseudoThermal``.
        contrast: as there.
    """
    height, width = rgb.shape[:2]
    return PseudoThermal(rng, width, height, contrast)(rgb, mask, box)


def temperature_cube(rng: np.random.Generator) -> NDArray[np.float32]:
    """(32, 32, 32) a smooth random temperature (gray levels about 0) for every color."""
    knots = rng.normal(0, 1, (_KNOTS, _KNOTS, _KNOTS))
    positions = np.linspace(0, _KNOTS - 1, _CUBE)
    weights = np.clip(1 - np.abs(positions[:, None] - np.arange(_KNOTS)), 0, None)
    cube = np.einsum("ijk,ai,bj,ck->abc", knots, weights, weights, weights, optimize=True)
    level = np.arange(_CUBE) / _CUBE - 0.5
    brightness = 0.3 * level[:, None, None] + 0.6 * level[None, :, None] + 0.1 * level
    cube = rng.uniform(15, 40) * cube + rng.uniform(-60, 90) * brightness
    return (cube - cube.mean()).astype(np.float32)


def target_alpha(
    rgb: NDArray[np.uint8], mask: NDArray[np.bool_] | None, box: ArrayLike | None
) -> NDArray[np.float32] | None:
    """(H, W) in 0..1: how much each pixel belongs to the target, with soft edges.

    From a mask (H, W) if there is one. From a box, a soft ellipse that is stronger where colors are
    rarer around the box than in it: the ratio of the two color histograms is that of Bayes' rule
    with equal priors. ``None`` where neither shows a target.
    """
    if mask is not None:
        return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)
    if box is None or not np.isfinite(box).all():
        return None
    height, width = rgb.shape[:2]
    x, y, w, h = np.asarray(box, float)
    inner = _clip_window(x, y, w, h, width, height)
    left, top, outer_width, outer_height = _clip_window(
        x - w / 2, y - h / 2, 2 * w, 2 * h, width, height
    )
    if min(inner[2:]) < 2:
        return None
    window = slice(top, top + outer_height), slice(left, left + outer_width)
    # Color histograms, 8 bins per channel, in the box and around it.
    bins = (rgb[window] // 32).astype(np.int32) @ np.array([64, 8, 1])
    in_box = np.zeros((outer_height, outer_width), bool)
    in_box[inner[1] - top :, inner[0] - left :][: inner[3], : inner[2]] = True
    target = np.bincount(bins[in_box], minlength=512) / max(in_box.sum(), 1)
    surroundings = np.bincount(bins[~in_box], minlength=512) / max((~in_box).sum(), 1)
    probability = ((target + 1e-4) / (target + surroundings + 2e-4))[bins].astype(np.float32)
    # The ellipse.
    rows, columns = np.mgrid[window] + 0.5
    distance = np.hypot((columns - x - w / 2) / (w / 2), (rows - y - h / 2) / (h / 2))
    ellipse = np.clip((1.15 - distance) / 0.3, 0, 1).astype(np.float32)
    alpha = np.zeros((height, width), np.float32)
    smooth = cv2.GaussianBlur(probability, (0, 0), 1.2)
    alpha[window] = ellipse * np.clip(2.2 * smooth - 0.6, 0, 1)
    return alpha


def _clip_window(
    x: float, y: float, w: float, h: float, width: int, height: int
) -> tuple[int, int, int, int]:
    """Left, top, width, height of a box in whole pixels, cut to an image of ``width x height``."""
    left, right = np.clip([round(x), round(x + w)], 0, width)
    top, bottom = np.clip([round(y), round(y + h)], 0, height)
    return int(left), int(top), int(right - left), int(bottom - top)
