"""Random changes to a training pair: one geometry for both modalities, photometry for each alone.

Shift, scale and blur are SiamRPN++'s (DFAT uses the same numbers). The rest is ours: registration
jitter between the modalities, and modality dropout, in which one modality of the search crop is
black, frozen (it shows the template's frame) or drowned in noise, or is veiled in template and
search crop alike, as by drifting smoke or by darkness, each crop with a veil of its own; so that
the fused branch learns to do without either.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, xywh_to_cxcywh
from rgbt_track.config.pairs import AugmentConfig, StoreConfig
from rgbt_track.crops import CropRegion
from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.crop_store import StoredCrop
from rgbt_track.synthetic.noise import fractal_noise

Image = NDArray[np.uint8]
Images = dict[str, Image]


@dataclass(frozen=True, eq=False)
class View:
    """A crop as the network gets it: images (size, size, 1|3) uint8, box x, y, w, h in it."""

    images: Images
    mask: NDArray[np.bool_] | None
    box: Boxes


@dataclass(frozen=True)
class Cut:
    """How a view is cut: size in pixels, its side in context sides, and the random ranges."""

    size: int
    contexts: float
    shift: float
    scale: float


def cut_view(
    crop: StoredCrop,
    cut: Cut,
    geometry: StoreConfig,
    registration: float,
    rng: np.random.Generator,
) -> View:
    """Cut a randomly shifted and scaled square out of a stored crop, the target in its middle.

    The geometry is drawn once; the thermal image is then displaced by up to ``registration``
    pixels of the view, as two cameras' registration is never perfect.
    """
    x, y = xywh_to_cxcywh(crop.box)[:2]
    side = geometry.size / geometry.factor * cut.contexts * (1 + rng.uniform(-1, 1) * cut.scale)
    pixel = side / cut.size
    shift_x, shift_y = rng.uniform(-cut.shift, cut.shift, 2) * pixel
    offset_x, offset_y = rng.uniform(-registration, registration, 2) * pixel
    region = CropRegion.around(x + shift_x, y + shift_y, side, cut.size)
    images = {}
    for name, image in crop.images.items():
        moved = region
        if name == "tir":
            moved = CropRegion.around(
                x + shift_x + offset_x, y + shift_y + offset_y, side, cut.size
            )
        images[name] = _cut(moved, image, crop.fill[name])
    mask = None
    if crop.mask is not None:
        pixels = crop.mask[..., None].astype(np.uint8) * 255
        mask = _cut(region, pixels, np.zeros(1, np.uint8))[..., 0] >= 128
    return View(images, mask, region.image_to_crop(crop.box))


def _cut(region: CropRegion, image: Image, fill: NDArray[np.uint8]) -> Image:
    pixels = region.cut(image, fill[: image.shape[2]])
    return pixels if pixels.ndim == 3 else pixels[..., None]


def flip(view: View) -> View:
    """Mirror left and right."""
    size = next(iter(view.images.values())).shape[1]
    x, y, w, h = view.box
    return View(
        {name: np.ascontiguousarray(image[:, ::-1]) for name, image in view.images.items()},
        None if view.mask is None else view.mask[:, ::-1],
        np.array([size - x - w, y, w, h]),
    )


def displace(image: Image, shift_xy: NDArray[np.floating]) -> Image:
    """Move an image (H, W) by a few pixels, its border stretched: misregistration."""
    matrix = np.array([[1, 0, shift_xy[0]], [0, 1, shift_xy[1]]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def photometric(
    image: Image, config: AugmentConfig, blur: float, gray: bool, rng: np.random.Generator
) -> Image:
    """Contrast, brightness and gamma by a random table per channel, then blur and noise.

    ``blur`` is the probability of a motion or out-of-focus blur; ``gray`` removes the colour, if
    there is any.
    """
    channels = image.shape[2]
    if gray and channels == 3:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    image = _with_axis(cv2.LUT(image, _tables(channels, config.colour, gray, rng)))
    if rng.random() < blur:
        image = _with_axis(cv2.filter2D(image, -1, _blur_kernel(rng)))
    if config.noise and rng.random() < 0.5:
        image = _add_noise(image, rng.uniform(0, config.noise), rng)
    return image


def _tables(channels: int, strength: float, gray: bool, rng: np.random.Generator) -> Image:
    """Look-up tables (256, 1, channels): a common curve and a small cast of each channel."""
    gamma = np.exp(rng.uniform(-1, 1) * strength)
    contrast = np.exp(rng.uniform(-1, 1) * strength)
    brightness = rng.uniform(-1, 1) * strength * 0.5
    cast = np.zeros(channels) if gray else rng.uniform(-1, 1, channels) * strength * 0.25
    level = (np.linspace(0, 1, 256) ** gamma - 0.5) * contrast + 0.5 + brightness
    table = (level[:, None] + cast) * 255
    return np.clip(table, 0, 255).astype(np.uint8)[:, None, :]


def _blur_kernel(rng: np.random.Generator) -> NDArray[np.float32]:
    """A blur of 3 to 7 pixels: out of focus, or along a random direction."""
    size = int(rng.choice([3, 5, 7]))
    if rng.random() < 0.5:
        line = cv2.getGaussianKernel(size, -1)
        return (line @ line.T).astype(np.float32)
    kernel = np.zeros((size, size), np.float32)
    angle, reach = rng.uniform(0, np.pi), size // 2
    dx, dy = round(np.cos(angle) * reach), round(np.sin(angle) * reach)
    cv2.line(kernel, (reach - dx, reach - dy), (reach + dx, reach + dy), 1.0)
    return kernel / kernel.sum()


def _add_noise(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    noise = rng.standard_normal(image.shape, np.float32) * deviation
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Dropout:
    """One modality of a pair that is lost, veiled also in the template: its name, and how."""

    name: str
    way: str


def draw_dropout(config: AugmentConfig, rng: np.random.Generator) -> Dropout | None:
    """Which modality is lost in this pair: "black", "frozen", "noisy" or "veiled"."""
    chance, name = rng.random(), MODALITIES[int(rng.integers(2))]
    for way in ("black", "frozen", "noisy", "veiled"):
        chance -= getattr(config, way)
        if chance < 0:
            return Dropout(name, way)
    return None


def spoil(image: Image, way: str, rng: np.random.Generator) -> Image:
    """A black image, one whose faint contrast is drowned in noise, or a veiled one."""
    if way == "black":
        return np.zeros_like(image)
    if way == "veiled":
        return _veil(image, rng)
    return _add_noise(image // 4 + 96, rng.uniform(60, 100), rng)


def _veil(image: Image, rng: np.random.Generator) -> Image:
    """Clouds of any brightness, through which next to nothing of the image is seen."""
    height, width = image.shape[:2]
    clouds = fractal_noise(rng, height, width, coarsest=1, finest=int(rng.integers(1, 5)))
    level, depth, seen = rng.uniform(5, 220), rng.uniform(0, 60), rng.uniform(0, 0.06)
    veil = (level + depth * (clouds - 0.5))[..., None] * (1 - seen) + seen * image
    return _add_noise(np.clip(veil, 0, 255).astype(np.uint8), rng.uniform(1, 6), rng)


def _with_axis(image: Image) -> Image:
    return image if image.ndim == 3 else image[..., None]
