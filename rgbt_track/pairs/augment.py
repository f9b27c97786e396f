"""Augmentation of a training pair: one geometry for both modalities, photometry for each alone.

Shift, scale and blur are SiamRPN++'s (DFAT uses the same numbers). Ours are registration jitter
between the modalities, and modality dropout: one modality of the search crop is black, frozen (it
shows the template's frame) or noisy, or it is obscured in template and search crop alike, as by
drifting smoke or darkness, differently in each crop; so that the fused branch learns to do without
either modality.

The order of random draws is part of the format: a seed must give the same pairs in every version.
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

DROPOUT_MODES = ("black", "frozen", "noisy", "obscured")


@dataclass(frozen=True, eq=False)
class View:
    """A crop as the network gets it.

    Args:
        images: modality -> (size, size, 1|3) uint8.
        mask: (size, size) bool, the target's pixels, or ``None``.
        box: (4,) x, y, w, h in pixels of the crop.
    """

    images: Images
    mask: NDArray[np.bool_] | None
    box: Boxes


@dataclass(frozen=True)
class ViewSettings:
    """How a view is cut.

    Args:
        size: side in pixels.
        contexts: side in context sides (see ``crops.context_side``).
        shift: largest shift in pixels of the view.
        scale: largest change of the scale, as a share of the side.
    """

    size: int
    contexts: float
    shift: float
    scale: float


def cut_view(
    crop: StoredCrop,
    settings: ViewSettings,
    geometry: StoreConfig,
    registration: float,
    rng: np.random.Generator,
) -> View:
    """Cut a randomly shifted and scaled square around the target out of a stored crop.

    Args:
        crop: what to cut from.
        settings: size and random ranges of the view.
        geometry: how the crop was cut.
        registration: the thermal image is displaced by up to so many pixels of the view, because
            the registration of two cameras is never perfect.
        rng: shift, scale and displacement are drawn once, for all images.
    """
    x, y = xywh_to_cxcywh(crop.box)[:2]
    scale = 1 + rng.uniform(-1, 1) * settings.scale
    side = geometry.size / geometry.factor * settings.contexts * scale
    pixel = side / settings.size
    shift_x, shift_y = rng.uniform(-settings.shift, settings.shift, 2) * pixel
    offset_x, offset_y = rng.uniform(-registration, registration, 2) * pixel
    x, y = x + shift_x, y + shift_y
    region = CropRegion.around(x, y, side, settings.size)
    regions = {"rgb": region}
    regions["tir"] = CropRegion.around(x + offset_x, y + offset_y, side, settings.size)
    images = {}
    for name, image in crop.images.items():
        pad_value = crop.pad_values[name][: image.shape[2]]
        images[name] = _with_channel_axis(regions[name].cut(image, pad_value))
    mask = None
    if crop.mask is not None:
        pixels = crop.mask[..., None].astype(np.uint8) * 255
        mask = _with_channel_axis(region.cut(pixels, np.zeros(1)))[..., 0] >= 128
    return View(images, mask, region.image_to_crop(crop.box))


def flip(view: View) -> View:
    """Mirror left and right."""
    size = next(iter(view.images.values())).shape[1]
    x, y, w, h = view.box
    return View(
        {name: np.ascontiguousarray(image[:, ::-1]) for name, image in view.images.items()},
        None if view.mask is None else view.mask[:, ::-1],
        np.array([size - x - w, y, w, h]),
    )


def stretch(view: View, aspect: float) -> View:
    """Make a view's content ``aspect`` times as wide for its height, about its center.

    The area stays; what comes into view at the border repeats the border.
    """
    size = next(iter(view.images.values())).shape[0]
    factors = np.array([np.sqrt(aspect), np.sqrt(1 / aspect)])
    offset = (1 - factors) * (size - 1) / 2  # the warp counts from the centers of pixels
    matrix = np.column_stack([np.diag(factors), offset])

    def warp(image: Image) -> Image:
        return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)

    mask = None if view.mask is None else warp(view.mask.astype(np.uint8) * 255) >= 128
    corner = size / 2 + (view.box[:2] - size / 2) * factors
    return View(
        {name: _with_channel_axis(warp(image)) for name, image in view.images.items()},
        mask,
        np.concatenate([corner, view.box[2:] * factors]),
    )


def displace(image: Image, shift_xy: NDArray[np.floating]) -> Image:
    """Translate an image (H, W) by a few pixels, its border replicated: misregistration."""
    matrix = np.array([[1, 0, shift_xy[0]], [0, 1, shift_xy[1]]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def photometric(
    image: Image, config: AugmentConfig, blur: float, gray: bool, rng: np.random.Generator
) -> Image:
    """Change contrast, brightness and gamma, then blur and add noise.

    Args:
        image: (H, W, 1|3) uint8.
        config: strengths of the changes.
        blur: probability of motion blur or defocus.
        gray: remove the color, if there is any.
        rng: where all changes are drawn from.
    """
    channels = image.shape[2]
    if gray and channels == 3:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    # Gamma, contrast and brightness by a look-up table, with a small color cast per channel.
    strength = config.color
    gamma = np.exp(rng.uniform(-1, 1) * strength)
    contrast = np.exp(rng.uniform(-1, 1) * strength)
    brightness = rng.uniform(-1, 1) * strength * 0.5
    cast = np.zeros(channels) if gray else rng.uniform(-1, 1, channels) * strength * 0.25
    level = (np.linspace(0, 1, 256) ** gamma - 0.5) * contrast + 0.5 + brightness
    table = np.clip((level[:, None] + cast) * 255, 0, 255).astype(np.uint8)
    image = _with_channel_axis(cv2.LUT(image, table[:, None, :]))
    if rng.random() < blur:
        image = _with_channel_axis(cv2.filter2D(image, -1, draw_blur_kernel(rng)))
    if config.noise and rng.random() < 0.5:
        image = _add_noise(image, rng.uniform(0, config.noise), rng)
    return image


def draw_blur_kernel(rng: np.random.Generator) -> NDArray[np.float32]:
    """A kernel of 3 to 7 pixels: defocus, or motion blur along a random direction."""
    size = int(rng.choice([3, 5, 7]))
    if rng.random() < 0.5:
        line = cv2.getGaussianKernel(size, -1)
        return (line @ line.T).astype(np.float32)
    kernel = np.zeros((size, size), np.float32)
    angle, radius = rng.uniform(0, np.pi), size // 2
    dx, dy = round(np.cos(angle) * radius), round(np.sin(angle) * radius)
    cv2.line(kernel, (radius - dx, radius - dy), (radius + dx, radius + dy), 1.0)
    return kernel / kernel.sum()


@dataclass(frozen=True)
class ModalityDropout:
    """The modality that a pair loses, and how: one of ``DROPOUT_MODES``.

    The search crop loses it; in the mode ``obscured`` the template loses it too.
    """

    modality: str
    mode: str

    @classmethod
    def draw(cls, config: AugmentConfig, rng: np.random.Generator) -> ModalityDropout | None:
        """Draw modality and mode by the probabilities in ``config``; ``None`` for no dropout."""
        chance, modality = rng.random(), MODALITIES[int(rng.integers(2))]
        for mode in DROPOUT_MODES:
            chance -= getattr(config, mode)
            if chance < 0:
                return cls(modality, mode)
        return None


def corrupt(image: Image, mode: str, rng: np.random.Generator) -> Image:
    """A black, noisy or obscured image (H, W, C) in place of a good one."""
    if mode == "black":
        return np.zeros_like(image)
    if mode == "noisy":
        return _add_noise(image // 4 + 96, rng.uniform(60, 100), rng)
    # Obscured: clouds of any brightness, through which next to nothing of the image is visible.
    height, width = image.shape[:2]
    clouds = fractal_noise(rng, height, width, coarsest=1, finest=int(rng.integers(1, 5)))
    level, depth, visible = rng.uniform(5, 220), rng.uniform(0, 60), rng.uniform(0, 0.06)
    obscured = (level + depth * (clouds - 0.5))[..., None] * (1 - visible) + visible * image
    return _add_noise(np.clip(obscured, 0, 255).astype(np.uint8), rng.uniform(1, 6), rng)


def _add_noise(image: Image, std: float, rng: np.random.Generator) -> Image:
    noise = rng.standard_normal(image.shape, np.float32) * std
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _with_channel_axis(image: Image) -> Image:
    """(H, W) or (H, W, C) -> (H, W, C); OpenCV drops the axis of a single channel."""
    return image if image.ndim == 3 else image[..., None]
