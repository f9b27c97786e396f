"""Images of both modalities, each in its own pixels, side by side at the size of a window."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.windows.window import MAX_SIZE

Image = NDArray[np.uint8]

ACCENT = (64, 255, 96)
_BAR = 28  # pixels below the panels, for a line of text
_LOUPE_SOURCE, _LOUPE_SIDE = 24, 168  # pixels of the frame, and of the window


class Place(NamedTuple):
    """A point of a frame: its panel, and x, y in that frame's pixels."""

    panel: str
    x: float
    y: float


class Panels:
    """Frames side by side, scaled to one height that fits ``MAX_SIZE``.

    Args:
        frames: name -> (H, W, 3) uint8 RGB, from left to right.
    """

    def __init__(self, frames: dict[str, Image]):
        self._frames = frames
        aspect = sum(frame.shape[1] / frame.shape[0] for frame in frames.values())
        tallest = max(frame.shape[0] for frame in frames.values())
        room = min((MAX_SIZE[1] - _BAR), MAX_SIZE[0] / aspect)
        self.height = round(min(room, max(tallest, room / 2)))
        self._scales = {name: self.height / frame.shape[0] for name, frame in frames.items()}
        self._lefts: dict[str, int] = {}
        scaled = []
        left = 0
        for name, frame in frames.items():
            width = round(frame.shape[1] * self._scales[name])
            method = cv2.INTER_AREA if self._scales[name] < 1 else cv2.INTER_LINEAR
            scaled.append(cv2.resize(frame, (width, self.height), interpolation=method))
            self._lefts[name] = left
            left += width
        self._image = np.vstack([np.hstack(scaled), np.zeros((_BAR, left, 3), np.uint8)])
        self.size = (left, self.height + _BAR)

    @property
    def names(self) -> tuple[str, ...]:
        """The panels from left to right."""
        return tuple(self._frames)

    def width(self, name: str) -> int:
        """Width of a panel's frame, in its own pixels."""
        return self._frames[name].shape[1]

    def image(self, text: str) -> Image:
        """A fresh copy to draw on, with a line of text below."""
        image = self._image.copy()
        position = (8, self.height + 19)
        cv2.putText(
            image, text, position, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
        )
        return image

    def place(self, x: int, y: int) -> Place:
        """The point of a frame under a pixel of the window; one outside is moved to the edge."""
        name = max((n for n, left in self._lefts.items() if left <= x), key=self._lefts.__getitem__,
                   default=next(iter(self._lefts)))  # fmt: skip
        height, width = self._frames[name].shape[:2]
        scale = self._scales[name]
        # Centers of pixels are whole numbers in both, so their edges are what is scaled.
        frame_x = (x - self._lefts[name] + 0.5) / scale - 0.5
        frame_y = (y + 0.5) / scale - 0.5
        return Place(name, min(max(frame_x, 0), width - 1), min(max(frame_y, 0), height - 1))

    def pixel(self, place: Place) -> tuple[int, int]:
        """The inverse of ``place``, rounded."""
        scale = self._scales[place.panel]
        return (
            round((place.x + 0.5) * scale - 0.5) + self._lefts[place.panel],
            round((place.y + 0.5) * scale - 0.5),
        )

    def draw_loupe(self, image: Image, place: Place) -> None:
        """Draw the surroundings of a point, magnified, into the far corner of its panel."""
        frame, half = self._frames[place.panel], _LOUPE_SOURCE / 2
        matrix = np.array([[1, 0, half - place.x - 0.5], [0, 1, half - place.y - 0.5]])
        source = cv2.warpAffine(frame, matrix, (_LOUPE_SOURCE, _LOUPE_SOURCE))
        loupe = cv2.resize(source, (_LOUPE_SIDE, _LOUPE_SIDE), interpolation=cv2.INTER_NEAREST)
        middle = _LOUPE_SIDE // 2
        cv2.drawMarker(loupe, (middle, middle), ACCENT, cv2.MARKER_CROSS, 24, 1)
        cv2.rectangle(loupe, (0, 0), (_LOUPE_SIDE - 1, _LOUPE_SIDE - 1), (255, 255, 255), 1)
        width = round(frame.shape[1] * self._scales[place.panel])
        x, _ = self.pixel(place)
        is_left = x - self._lefts[place.panel] < width / 2
        left = self._lefts[place.panel] + (max(width - _LOUPE_SIDE, 0) if is_left else 0)
        shape = image[:_LOUPE_SIDE, left : left + _LOUPE_SIDE].shape
        image[:_LOUPE_SIDE, left : left + _LOUPE_SIDE] = loupe[: shape[0], : shape[1]]
