"""Whole objects pasted into scenes: as the target of a pair, or as a distractor beside it.

An object is a stored crop of an image that one object fills, in one or both modalities and without
a mask (``SourceConfig.objects``). It is pasted at the size at which its own crop shows it, so that
it stands in the scene with the context side of a target, and at one place in both modalities. Its
edge is soft: half of the objects are blended by a feathered rectangle, half by an estimate of their
pixels, so that no one kind of seam gives a pasted target away (Dwibedi et al., *Cut, Paste and
Learn*, ICCV 2017).

The order of random draws is part of the format: a seed must give the same pairs in every version.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, cxcywh_to_xywh, xywh_to_cxcywh
from rgbt_track.config.pairs import StoreConfig
from rgbt_track.pairs.augment import Image, Images
from rgbt_track.pairs.crop_store import StoredCrop

Alpha = NDArray[np.float32]

_OFFSET = 0.4  # of a context side: from the middle of the scene's crop
_MOTION = 0.1  # of a context side: between template and search crop
_STRETCH = 0.08  # of the logarithms of width and height, between template and search crop
_DISTRACTOR_SCALE = 0.25  # of the logarithm of a distractor's size
_FARTHEST = 1.6  # a distractor's distance, where 1 lets its box touch the target's
_FEATHER = 0.12  # of a side: the soft edge of a rectangle
_INSIDE, _OUTSIDE = 0.3, 1.0  # squared radii in half sides: surely object, surely background
_LEAST_SPREAD = 6.0  # gray levels
_LEAST_COVER = 0.25  # an estimate that covers less of its rectangle has failed


def paste_target(
    template: StoredCrop,
    search: StoredCrop,
    target: StoredCrop,
    geometry: StoreConfig,
    target_geometry: StoreConfig,
    rng: np.random.Generator,
) -> tuple[StoredCrop, StoredCrop]:
    """Template and search crop of one scene with an object as their target, moved a little.

    The scene's own target is covered or stands beside it. Masks are dropped.
    """
    side = geometry.size / geometry.factor
    images = cut_object(target)
    size = target.box[2:] * side / (target_geometry.size / target_geometry.factor)
    alpha = draw_alpha(images, rng)
    center = geometry.size / 2 + rng.uniform(-_OFFSET, _OFFSET, 2) * side
    crops = []
    for crop in (template, search):
        moved = center + rng.uniform(-_MOTION, _MOTION, 2) * side
        stretched = size * np.exp(rng.uniform(-_STRETCH, _STRETCH, 2))
        box = cxcywh_to_xywh(np.append(moved, stretched))
        composite = composite_object(crop.images, images, alpha, box)
        crops.append(replace(crop, images=composite, mask=None, box=box))
    return crops[0], crops[1]


def paste_distractor(
    crop: StoredCrop,
    distractor: StoredCrop,
    geometry: StoreConfig,
    distractor_geometry: StoreConfig,
    rng: np.random.Generator,
) -> StoredCrop:
    """A crop with another object close to its target, whose box it leaves free."""
    side = geometry.size / geometry.factor
    images = cut_object(distractor)
    size = distractor.box[2:] * side / (distractor_geometry.size / distractor_geometry.factor)
    size = size * np.exp(rng.uniform(-_DISTRACTOR_SCALE, _DISTRACTOR_SCALE))
    alpha = draw_alpha(images, rng)
    # In a random direction, the distance at which the boxes touch, and up to so much more.
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    center, own_size = np.split(xywh_to_cxcywh(crop.box), 2)
    touching = ((own_size + size) / 2 / np.maximum(np.abs(direction), 1e-9)).min()
    center = center + direction * touching * rng.uniform(1.0, _FARTHEST)
    box = cxcywh_to_xywh(np.append(center, size))
    return replace(crop, images=composite_object(crop.images, images, alpha, box))


def cut_object(crop: StoredCrop) -> Images:
    """The pixels of a crop's box: modality -> (h, w, 1|3)."""
    size = next(iter(crop.images.values())).shape[0]
    low = np.clip(np.round(crop.box[:2]), 0, size - 1).astype(int)
    high = np.clip(np.round(crop.box[:2] + crop.box[2:]), low + 1, size).astype(int)
    return {name: image[low[1] : high[1], low[0] : high[0]] for name, image in crop.images.items()}


def composite_object(scene: Images, images: Images, alpha: Alpha, box_xywh: Boxes) -> Images:
    """The scene's images (size, size, 1|3) with an object's (h, w, 1|3) blended in over ``box``.

    A modality that the object lacks stays as it is; what reaches out of the scene is cut off.
    """
    size = next(iter(scene.values())).shape[0]
    low = np.clip(np.floor(box_xywh[:2]), 0, size).astype(int)
    high = np.clip(np.ceil(box_xywh[:2] + box_xywh[2:]), 0, size).astype(int)
    if (high <= low).any():
        return scene
    # From pixels of the object to those of the window; cv2 puts pixel centers at whole numbers.
    scale = box_xywh[2:] / alpha.shape[::-1]
    shift = box_xywh[:2] - low + scale / 2 - 0.5
    matrix = np.column_stack([np.diag(scale), shift])
    window = tuple((high - low).tolist())
    weight = cv2.warpAffine(alpha, matrix, window, flags=cv2.INTER_LINEAR)[..., None]
    result = dict(scene)
    for name in scene.keys() & images.keys():
        pixels = _with_channels(images[name], scene[name].shape[2]).astype(np.float32)
        pixels = cv2.warpAffine(
            pixels, matrix, window, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        result[name] = scene[name].copy()
        part = result[name][low[1] : high[1], low[0] : high[0]]
        part[:] = np.round(part + weight * (pixels.reshape(part.shape) - part))
    return result


def draw_alpha(images: Images, rng: np.random.Generator) -> Alpha:
    """How opaque the pixels of an object are, (h, w) in [0, 1]: one of two kinds, by chance.

    An estimate that finds next to nothing is replaced by the rectangle.
    """
    is_estimated = rng.random() < 0.5
    height, width = next(iter(images.values())).shape[:2]
    rectangle = feathered_rectangle(height, width)
    if is_estimated:
        alpha = rectangle * estimate_alpha(images)
        if alpha.mean() > _LEAST_COVER:
            return alpha
    return rectangle


def feathered_rectangle(height: int, width: int) -> Alpha:
    """1 in the middle, falling smoothly to 0 at the edges."""

    def ramp(length: int) -> Alpha:
        places = np.arange(length, dtype=np.float32) + 0.5
        share = np.minimum(places, length - places) / max(_FEATHER * length, 0.5)
        share = np.clip(share, 0, 1)
        return share * share * (3 - 2 * share)

    return np.outer(ramp(height), ramp(width))


def estimate_alpha(images: Images) -> Alpha:
    """A soft mask of the object that fills these images (h, w, 1|3), by their colors alone.

    A normal distribution is fitted to the middle, another to the corners, over all channels of both
    modalities; which of the two a pixel comes from is weighed with its distance from the center.
    """
    height, width = next(iter(images.values())).shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = ((2 * x + 1) / width - 1) ** 2 + ((2 * y + 1) / height - 1) ** 2
    inside, outside = radius < _INSIDE, radius > _OUTSIDE
    if not inside.any() or not outside.any():
        return np.ones((height, width), np.float32)
    channels = np.concatenate([_smooth(image) for image in images.values()], axis=2)
    distance = {}
    for name, region in (("object", inside), ("background", outside)):
        mean = channels[region].mean(0)
        spread = np.maximum(channels[region].std(0), _LEAST_SPREAD)
        error = ((channels - mean) / spread) ** 2 / 2 + np.log(spread)
        distance[name] = error.mean(axis=2)
    logit = 4 * (distance["background"] - distance["object"]) + 6 * (0.8 - radius)
    return _smooth(1 / (1 + np.exp(-np.clip(logit, -30, 30)))[..., None])[..., 0]


def _smooth(image: NDArray[np.generic]) -> NDArray[np.float32]:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0).reshape(image.shape)


def _with_channels(image: Image, channels: int) -> Image:
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return np.repeat(image, channels, axis=2)
