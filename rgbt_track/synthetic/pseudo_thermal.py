"""A plausible thermal channel made from a visible image, so that RGB sets train an RGB-T tracker.

What is kept from reality: a thermal image shows the same shapes, but tones that have little to do
with colour or brightness; less texture; a target that is hotter or colder than its surroundings,
most in its middle, or not distinguishable at all (crossover); soft optics, halo, noise, fixed
pattern, a camera's own gain and level, and now and then something else as warm as the target.

How it is made: (1) edge-preserving smoothing; (2) a random smooth map from colour to temperature,
so that a surface of one colour has one temperature; (3) part of the fine detail back, with either
sign; (4) a vertical gradient and warm patches; (5) the target's own temperature, by mask or by a
soft mask guessed from its box, and decoys, copies of its shape beside it, so that no network learns
that the bright spot is always it; (6) the camera. It teaches what fusion is for, and nothing about
radiometry. One instance keeps its draws, so that the frames of a sequence belong together, and
equal seeds give the same look at any image size.
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

    ``contrast`` is the target's temperature against its surroundings, 1 being about 120 grey
    levels: positive hot, negative cold, near 0 crossover; drawn if not given, mostly hot.
    """

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, contrast: float | None = None
    ) -> None:
        self._rng = rng
        self.contrast = _draw_contrast(rng) if contrast is None else contrast
        self._cube = _temperature_cube(rng)
        self._detail = rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(0.05, 0.6)
        self._core, self._cloth = rng.uniform(0.2, 0.6), rng.uniform(-0.4, 0.4)
        slope, uneven, hot = rng.uniform(-8, 22), rng.uniform(0, 40), rng.uniform(90, 150)
        self._decoys = _draw_decoys(rng)
        self._camera = ThermalCamera(rng, width, height, _LEVEL)
        self._hot = hot / self._camera.gain
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        patches = fractal_noise(rng, height, width, coarsest=1, finest=3) - 0.5
        self._scene = slope * rows + uneven * patches

    def __call__(
        self,
        rgb: NDArray[np.uint8],
        mask: NDArray[np.bool_] | None = None,
        box: ArrayLike | None = None,
        contrast: float | None = None,
    ) -> NDArray[np.uint8]:
        """Thermal image (H, W) uint8 of a visible one (H, W, 3).

        The target is ``mask`` (H, W) or, roughly, what stands out in ``box`` (x, y, w, h); without
        either there is none. ``contrast`` replaces the instance's, for one that changes in time.
        Raises ``ValueError`` for an image of another size than the instance's.
        """
        if rgb.shape[:2] != self._scene.shape:
            raise ValueError(f"image of {rgb.shape[:2]} for a camera of {self._scene.shape} pixels")
        smooth = _without_texture(rgb)
        heat = _LEVEL + self._cube[tuple(np.moveaxis(smooth // (256 // _CUBE), 2, 0))]
        brightness = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        fine = brightness.astype(np.float32) - cv2.blur(brightness, (9, 9))
        heat += self._scene + self._detail * np.clip(fine, -60, 60)
        cover = _target_cover(rgb, mask, box)
        if cover is not None and cover.max() > 0.5:
            contrast = self.contrast if contrast is None else contrast
            for decoy in self._decoys:
                heat = self._warm(heat, decoy.of(cover), fine, contrast * decoy.warmth)
            heat = self._warm(heat, cover, fine, contrast)
        return self._camera.take(np.clip(heat, 0, 255).astype(np.uint8), self._rng)

    def _warm(
        self,
        heat: NDArray[np.float32],
        cover: NDArray[np.float32],
        fine: NDArray[np.float32],
        contrast: float,
    ) -> NDArray[np.float32]:
        """Give what is covered the mean temperature around it plus its own, more in its middle."""
        around = cv2.dilate(cover, np.ones((15, 15), np.uint8)) - cover
        weight = float(around.sum())
        level = float((heat * around).sum() / weight) if weight > 1 else _LEVEL
        side = max(3, int(np.sqrt(cover.sum()) / 3) | 1)
        profile = (1 - self._core) + self._core * cv2.blur(cover, (side, side))
        own = level + self._hot * contrast * profile + self._cloth * np.clip(fine, -60, 60)
        return heat + cover * (own - heat)


class _Decoy(NamedTuple):
    """A copy of the target's shape: moved by multiples of its size, scaled, perhaps mirrored."""

    shift: NDArray[np.float64]
    scale: float
    mirrored: bool
    warmth: float

    def of(self, cover: NDArray[np.float32]) -> NDArray[np.float32]:
        """The decoy of a target's cover (H, W), as far as it lies in the image."""
        x, y, w, h = cv2.boundingRect((cover > 0.5).astype(np.uint8))
        across = -self.scale if self.mirrored else self.scale
        matrix = np.array([[across, 0, 0], [0, self.scale, 0]])
        centre = np.array([x + w / 2, y + h / 2])
        matrix[:, 2] = centre + self.shift * (w, h) - matrix[:, :2] @ centre
        return cv2.warpAffine(cover, matrix, cover.shape[::-1])


def pseudo_thermal(
    rgb: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None,
    box: ArrayLike | None,
    rng: np.random.Generator,
    contrast: float | None = None,
) -> NDArray[np.uint8]:
    """Thermal image (H, W) uint8 for one visible image (H, W, 3); see ``PseudoThermal``."""
    height, width = rgb.shape[:2]
    return PseudoThermal(rng, width, height, contrast)(rgb, mask, box)


def _draw_contrast(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.7:
        return float(rng.uniform(0.3, 1.0))
    if kind < 0.87:
        return float(rng.uniform(-0.6, -0.25))
    return float(rng.uniform(-0.1, 0.1))


def _draw_decoys(rng: np.random.Generator) -> list[_Decoy]:
    decoys = []
    for _ in range(int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2]))):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(1.3, 2.5)
        shift = distance * np.array([np.cos(angle), 0.6 * np.sin(angle)])
        turned, warmth = bool(rng.random() < 0.5), rng.uniform(0.6, 1.2)
        decoys.append(_Decoy(shift, rng.uniform(0.75, 1.25), turned, warmth))
    return decoys


def _temperature_cube(rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random temperature (grey levels about 0) for every colour, on a 32^3 grid."""
    knots = rng.normal(0, 1, (_KNOTS, _KNOTS, _KNOTS))
    place = np.linspace(0, _KNOTS - 1, _CUBE)
    hat = np.clip(1 - np.abs(place[:, None] - np.arange(_KNOTS)), 0, None)
    cube = np.einsum("ijk,ai,bj,ck->abc", knots, hat, hat, hat, optimize=True)
    grey = np.arange(_CUBE) / _CUBE - 0.5
    brightness = 0.3 * grey[:, None, None] + 0.6 * grey[None, :, None] + 0.1 * grey
    cube = rng.uniform(15, 40) * cube + rng.uniform(-60, 90) * brightness
    return (cube - cube.mean()).astype(np.float32)


def _without_texture(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Smooth within surfaces, not across edges; at half size, where it costs a quarter."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (max(width // 2, 1), max(height // 2, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.bilateralFilter(small, 7, 40, 5)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _target_cover(
    rgb: NDArray[np.uint8], mask: NDArray[np.bool_] | None, box: ArrayLike | None
) -> NDArray[np.float32] | None:
    """(H, W) in 0..1: how much each pixel is target, with soft edges."""
    if mask is not None:
        return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)
    if box is None or not np.isfinite(box).all():
        return None
    return _cover_from_box(rgb, np.asarray(box, float))


def _cover_from_box(rgb: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """A soft ellipse in the box, stronger where colours are rarer around the box than in it.

    The ratio of the two colour histograms is that of Bayes' rule with equal priors.
    """
    height, width = rgb.shape[:2]
    x, y, w, h = box
    inside = _window(x, y, w, h, width, height)
    around = _window(x - w / 2, y - h / 2, 2 * w, 2 * h, width, height)
    if min(inside[2:]) < 2:
        return None
    left, top, wide, high = around
    patch = rgb[top : top + high, left : left + wide]
    bins = (patch // 32).astype(np.int32) @ np.array([64, 8, 1])
    core = np.zeros((high, wide), bool)
    core[inside[1] - top :, inside[0] - left :][: inside[3], : inside[2]] = True
    own = np.bincount(bins[core], minlength=512) / max(core.sum(), 1)
    other = np.bincount(bins[~core], minlength=512) / max((~core).sum(), 1)
    likely = ((own + 1e-4) / (own + other + 2e-4))[bins].astype(np.float32)
    rows, columns = np.mgrid[top : top + high, left : left + wide] + 0.5
    distance = np.hypot((columns - x - w / 2) / (w / 2), (rows - y - h / 2) / (h / 2))
    ellipse = np.clip((1.15 - distance) / 0.3, 0, 1).astype(np.float32)
    cover = np.zeros((height, width), np.float32)
    soft = cv2.GaussianBlur(likely, (0, 0), 1.2)
    cover[top : top + high, left : left + wide] = ellipse * np.clip(2.2 * soft - 0.6, 0, 1)
    return cover


def _window(
    x: float, y: float, w: float, h: float, width: int, height: int
) -> tuple[int, int, int, int]:
    left, right = np.clip([round(x), round(x + w)], 0, width)
    top, bottom = np.clip([round(y), round(y + h)], 0, height)
    return int(left), int(top), int(right - left), int(bottom - top)
