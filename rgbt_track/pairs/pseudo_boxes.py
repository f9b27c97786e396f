"""Targets for images that have no labels: squares with something in them, made up by contrast.

Registered pairs without boxes still show what a thing looks like in both modalities. A random box
of random shape is as good a target as a labelled one for learning to find again what was shown
(template and search crop come from the same image), as long as it has an edge or two: of some
candidates, the one with the most contrast in both modalities is taken.
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


def invent_boxes(sequences: Iterable[Sequence], count: int, seed: int = 0) -> list[Sequence]:
    """Replace every unlabelled still by ``count`` stills with an invented box each.

    Sequences that have a label, or more than one frame, stay as they are.
    """
    result = []
    for number, sequence in enumerate(sequences):
        if len(sequence) > 1 or sequence.labelled.any():
            result.append(sequence)
            continue
        rng = np.random.default_rng([seed, number])
        for index, box in enumerate(_boxes(sequence, count, rng), start=1):
            annotation = dataclasses.replace(sequence.annotation, boxes=box[None])
            result.append(
                dataclasses.replace(
                    sequence, name=f"{sequence.name}-{index}", annotation=annotation
                )
            )
    return result


def _boxes(sequence: Sequence, count: int, rng: np.random.Generator) -> list[Boxes]:
    detail = _detail(sequence)
    return [_box(detail, rng) for _ in range(count)]


def _detail(sequence: Sequence) -> NDArray[np.float64]:
    """Integral image of the gradients of all modalities, (H + 1, W + 1)."""
    total: NDArray[np.float32] | None = None
    for image in prepare_frames(*sequence.frame(0)).values():
        gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
        dx, dy = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        edges = np.sqrt(cv2.magnitude(dx, dy))
        total = edges if total is None else total + edges
    assert total is not None
    return cv2.integral(total, sdepth=cv2.CV_64F)


def _box(detail: NDArray[np.float64], rng: np.random.Generator) -> Boxes:
    height, width = detail.shape[0] - 1, detail.shape[1] - 1
    best, most = np.zeros(4), -1.0
    for _ in range(_CANDIDATES):
        side = min(height, width) * np.exp(rng.uniform(np.log(0.06), np.log(0.4)))
        aspect = np.exp(rng.normal(0.3, 0.45))  # most targets of this field stand upright
        w, h = min(side / aspect**0.5, width), min(side * aspect**0.5, height)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        left, top, right, bottom = round(x), round(y), round(x + w), round(y + h)
        rows = detail[bottom] - detail[top]
        inside = rows[right] - rows[left]
        if inside / (w * h) > most:
            best, most = np.array([x, y, w, h]), inside / (w * h)
    return best
