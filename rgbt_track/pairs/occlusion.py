"""Something in front of the target: a pole or a block, the same in template and search crop.

A target that is partly covered in the first frame leaves a template that shows the occluder as
well, and a tracker that has never seen that stays with the occluder when the target walks on. So a
pair gets an occluder in the template, in the search crop or in both: before the target, in the
search crop mostly beside it, where it is a distractor. The target's box stays the whole one.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import xywh_to_cxcywh
from rgbt_track.pairs.augment import Image, Images, View

# Whether the occluder stands in the template crop and in the search crop; each as likely.
_PLACES = ((True, True), (True, True), (True, False), (False, True))
_TEXTURE = 16  # pixels a side of a plain occluder's texture


def occlude(template: View, search: View, rng: np.random.Generator) -> tuple[View, View]:
    """Put one occluder into a pair's views; size and place are in shares of the target's box.

    It covers at most 0.6 of the target's width: a pole reaches from the top of the crop to its
    bottom, a block is 0.4 to 1.2 of the target's height.
    """
    in_template, in_search = _PLACES[int(rng.integers(len(_PLACES)))]
    is_pole = rng.random() < 0.5
    width, height = rng.uniform(0.2, 0.6), rng.uniform(0.4, 1.2)
    size = np.array([width, np.inf if is_pole else height])
    texture = _draw_texture(template, size, rng)
    before = rng.uniform(-0.5, 0.5, 2)
    beside = rng.uniform(-0.5, 0.5, 2) if rng.random() < 0.4 else rng.uniform(-2, 2, 2)
    if in_template:
        template = _cover(template, size, before, texture)
    if in_search:
        search = _cover(search, size, beside, texture)
    return template, search


def _draw_texture(view: View, size: NDArray[np.floating], rng: np.random.Generator) -> Images:
    """What the occluder looks like, per modality: a plain tone, or scenery from the view."""
    is_plain = rng.random() < 0.5
    tones = rng.uniform(0, 255, (len(view.images), 2, 3))
    side = next(iter(view.images.values())).shape[0]
    extent = np.clip(size * view.box[2:], 2, side).astype(int)
    left, top = (int(rng.integers(side - length + 1)) for length in extent)
    scenery = np.s_[top : top + extent[1], left : left + extent[0]]
    texture: Images = {}
    for (name, image), (first, last) in zip(view.images.items(), tones, strict=True):
        if is_plain:
            # A tone with a little shading from one edge to the other, as a round pole has.
            shading = np.linspace(0, 0.25, _TEXTURE)[None, :, None]
            tone = (1 - shading) * first[: image.shape[2]] + shading * last[: image.shape[2]]
            texture[name] = np.repeat(tone, _TEXTURE, axis=0).astype(np.uint8)
        else:
            texture[name] = image[scenery].copy()
    return texture


def _cover(
    view: View, size: NDArray[np.floating], offset: NDArray[np.floating], texture: Images
) -> View:
    """Draw the occluder around the target's center + offset, both in shares of the target's box."""
    side = next(iter(view.images.values())).shape[0]
    center = xywh_to_cxcywh(view.box)[:2] + offset * view.box[2:]
    half = 0.5 * size * view.box[2:]
    (x0, y0), (x1, y1) = (np.clip(center + s * half, 0, side).round().astype(int) for s in (-1, 1))
    if x1 <= x0 or y1 <= y0:
        return view
    images = {}
    for name, image in view.images.items():
        images[name] = image.copy()
        if name in texture:
            images[name][y0:y1, x0:x1] = _resize(texture[name], x1 - x0, y1 - y0)
    return replace(view, images=images)


def _resize(texture: Image, width: int, height: int) -> Image:
    """(H, W, C) -> (height, width, C)."""
    return cv2.resize(texture, (width, height)).reshape(height, width, -1)
