"""Drawings of tracking results: both modalities side by side, the box and the score."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.io.frames import Frame, prepare_frames
from rgbt_track.io.images import write_image

# Colors of targets, one after the other.
_BOXES = (
    (64, 255, 96),
    (255, 96, 64),
    (64, 160, 255),
    (255, 224, 64),
    (224, 96, 255),
    (64, 240, 240),
)
_TEXT = (255, 255, 255)
_SHEET_FRAMES = 8
_SHEET_COLUMNS = 2


def draw_pair(
    rgb: Frame,
    tir: Frame,
    boxes_xywh: ArrayLike,
    caption: str = "",
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Both modalities side by side with the boxes on each, (H, 2 W, 3) RGB uint8.

    ``boxes_xywh`` is one box (4,) or several (N, 4), each of its own color; from the seventh on
    they are the first ones' again. A missing modality is drawn black. ``size`` (W, H) is that in
    whose pixels the boxes are, by default that of the frame. Raises ``ValueError`` for frames that
    do not fit.
    """
    frames = prepare_frames(rgb, tir, size)
    shape = next(iter(frames.values())).shape
    panels = []
    for name in ("rgb", "tir"):
        panel = frames[name].copy() if name in frames else np.zeros(shape, np.uint8)
        for box, color in zip(np.reshape(boxes_xywh, (-1, 4)), itertools.cycle(_BOXES)):
            _draw_box(panel, box, color)
        _write(panel, f"{name}  {caption}" if name == "rgb" else name)
        panels.append(panel)
    return np.hstack(panels)


def _draw_box(image: NDArray[np.uint8], box_xywh: ArrayLike, color: tuple[int, int, int]) -> None:
    x, y, w, h = np.asarray(box_xywh, float)
    corner, opposite = (round(x), round(y)), (round(x + w), round(y + h))
    cv2.rectangle(image, corner, opposite, color, max(round(image.shape[1] / 320), 1), cv2.LINE_AA)


def _write(image: NDArray[np.uint8], text: str) -> None:
    scale = max(image.shape[1] / 640, 0.4)
    position = (round(8 * scale), round(20 * scale))
    thickness, shift = max(round(scale), 1), max(round(scale), 1)
    # The outline is the same text shifted: thicker letters would be wider in OpenCV 5.
    shifts = [(dx, dy) for dx in (-shift, 0, shift) for dy in (-shift, 0, shift) if dx or dy]
    for color, offsets in (((0, 0, 0), shifts), (_TEXT, [(0, 0)])):
        for dx, dy in offsets:
            place = (position[0] + dx, position[1] + dy)
            cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale * 0.5, color,
                        thickness, cv2.LINE_AA)  # fmt: skip


class ContactSheet:
    """At most eight frames, evenly spread over a run of unknown length, on one PNG."""

    def __init__(self) -> None:
        self._images: list[NDArray[np.uint8]] = []
        self._every = 1
        self._count = 0

    def wants_next(self) -> bool:
        """Whether the next frame belongs on the sheet; call once per frame."""
        self._count += 1
        return (self._count - 1) % self._every == 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Add an image; when the sheet is full, every second one is dropped."""
        self._images.append(image)
        if len(self._images) > _SHEET_FRAMES:
            self._images = self._images[::2]
            self._every *= 2

    def write(self, path: str | Path) -> None:
        """Write the sheet as one image; the suffix names the format."""
        images = list(self._images)
        while len(images) % _SHEET_COLUMNS:
            images.append(np.zeros_like(images[0]))
        rows = [
            np.hstack(images[index : index + _SHEET_COLUMNS])
            for index in range(0, len(images), _SHEET_COLUMNS)
        ]
        write_image(path, np.vstack(rows))
