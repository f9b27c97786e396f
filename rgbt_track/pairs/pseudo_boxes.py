"""Pseudo boxes for images without labels: squares with contrast in both modalities.

Registered pairs without boxes still show what objects look like in both modalities. A random box
of random shape is as good a target as a labelled one for learning to find again what the template
shows (template and search crop come from the same image), as long as it has an edge or two: of some
candidates, the one with the most contrast in both modalities is taken.

The order of random draws is part of the format: a seed must give the same boxes in every version.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.frames import prepare_frames

_CANDIDATES = 12


def add_pseudo_boxes(sequences: Iterable[Sequence], count: int, seed: int = 0) -> list[Sequence]:
    """Replace every unlabelled still image by ``count`` copies with a pseudo box each.

    Sequences that have a label, or more than one frame, stay as they are.
    """
    result = []
    for number, sequence in enumerate(sequences):
        if len(sequence) > 1 or sequence.labelled.any():
            result.append(sequence)
            continue
        rng = np.random.default_rng([seed, number])
        contrast = contrast_integral(sequence)
        for index in range(1, count + 1):
            box = draw_pseudo_box(contrast, rng)
            annotation = dataclasses.replace(sequence.annotation, boxes=box[None])
            name = f"{sequence.name}-{index}"
            result.append(dataclasses.replace(sequence, name=name, annotation=annotation))
    return result


def contrast_integral(sequence: Sequence) -> NDArray[np.float64]:
    """(H + 1, W + 1) integral image of the gradients of all modalities of the first frame."""
    total: NDArray[np.float32] | None = None
    for image in prepare_frames(*sequence.frame(0)).values():
        gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
        dx, dy = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        edges = np.sqrt(cv2.magnitude(dx, dy))
        total = edges if total is None else total + edges
    assert total is not None
    return cv2.integral(total, sdepth=cv2.CV_64F)


def draw_pseudo_box(contrast: NDArray[np.float64], rng: np.random.Generator) -> Boxes:
    """Of some random boxes (4,) x, y, w, h, the one of the highest mean contrast.

    ``contrast`` is the image's ``contrast_integral``.
    """
    height, width = contrast.shape[0] - 1, contrast.shape[1] - 1
    best_box, best_mean = np.zeros(4), -1.0
    for _ in range(_CANDIDATES):
        side = min(height, width) * np.exp(rng.uniform(np.log(0.06), np.log(0.4)))
        aspect = np.exp(rng.normal(0.3, 0.45))  # most targets of this field are upright
        w, h = min(side / aspect**0.5, width), min(side * aspect**0.5, height)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        left, top, right, bottom = round(x), round(y), round(x + w), round(y + h)
        rows = contrast[bottom] - contrast[top]
        mean = (rows[right] - rows[left]) / (w * h)
        if mean > best_mean:
            best_box, best_mean = np.array([x, y, w, h]), mean
    return best_box
