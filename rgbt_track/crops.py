"""The crop geometry, with its exact inverse beside it; tracking and training share it.

A ``CropRegion`` is a square of whole image pixels that is resized to the network's input. Both
modalities are cut with the same region. Because the region that is really cut (after rounding) is
the one that maps boxes back, crop and inverse are exact: nothing drifts. The rounding itself
follows pysot (``get_subwindow``), whose own way back forgets it (``tracking/geometry.py`` has it
for comparisons). ``crop`` in a name means pixels of the resized square, continuous, from its
corner; ``centered``, from its center.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import Boxes

_LARGEST_COPY = 4096  # pixels; the side of a region whose padded copy takes 48 MiB


def context_side(width: float, height: float, context: float = 0.5) -> float:
    """Side of the square around a target with its context: SiamFC's ``sqrt((w+p)(h+p))``.

    ``p = context * (w + h)``; lengths in image pixels.
    """
    padding = context * (width + height)
    return math.sqrt((width + padding) * (height + padding))


@dataclass(frozen=True)
class CropRegion:
    """A square of whole image pixels, resized to a crop.

    Args:
        left, top: its first column and row in the image, which may lie outside.
        side: its width and height in image pixels.
        size: width and height of the crop in pixels.
    """

    left: int
    top: int
    side: int
    size: int

    @classmethod
    def around(cls, center_x: float, center_y: float, side: float, size: int) -> CropRegion:
        """The square centered as near as whole pixels allow.

        Args:
            center_x, center_y: continuous image coordinates.
            side: in image pixels; rounded to whole ones.
            size: pixels of the crop.

        Raises ``ValueError`` when a number is not finite or the side is not positive.
        """
        if not all(map(math.isfinite, (center_x, center_y, side))) or side <= 0:
            raise ValueError(f"no crop of side {side} around ({center_x}, {center_y})")
        whole = max(round(side), 1)
        left = math.floor(center_x - whole / 2 + 0.5)
        top = math.floor(center_y - whole / 2 + 0.5)
        return cls(left, top, whole, size)

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return self.size / self.side

    def image_to_crop(self, boxes_xywh: ArrayLike) -> Boxes:
        """Boxes ``(..., 4)`` in image pixels -> in crop pixels.

        Here and in the inverse, ``cxcywh`` comes out as ``cxcywh``: the first two numbers are a
        point, the others lengths.
        """
        origin = np.array([self.left, self.top, 0.0, 0.0])
        return (np.asarray(boxes_xywh, float) - origin) * self.scale

    def crop_to_image(self, boxes_xywh: ArrayLike) -> Boxes:
        """Boxes ``(..., 4)`` in crop pixels -> in image pixels: the inverse of image_to_crop."""
        origin = np.array([self.left, self.top, 0.0, 0.0])
        return np.asarray(boxes_xywh, float) / self.scale + origin

    def centered_to_image(self, boxes_cxcywh: ArrayLike) -> Boxes:
        """Boxes ``(..., 4)`` from the crop's center, as anchors lie -> in image pixels."""
        center = np.array([self.size / 2, self.size / 2, 0.0, 0.0])
        return self.crop_to_image(np.asarray(boxes_cxcywh, float) + center)

    def covers(self, width: int, height: int) -> bool:
        """Whether all of a ``width x height`` image lies in the region."""
        right, bottom = self.left + self.side, self.top + self.side
        return self.left <= 0 and self.top <= 0 and right >= width and bottom >= height

    def cut(self, image: NDArray[np.uint8], pad_value: ArrayLike) -> NDArray[np.uint8]:
        """Cut the region from an image (H, W, 3) -> (size, size, 3), padded outside the image.

        ``pad_value`` is one value per channel (the image's channel mean). Only the part of the
        image inside the region is copied and padded, never the whole image.
        """
        height, width = image.shape[:2]
        x0, x1 = (min(max(x, 0), width) for x in (self.left, self.left + self.side))
        y0, y1 = (min(max(y, 0), height) for y in (self.top, self.top + self.side))
        patch = image[y0:y1, x0:x1]
        if patch.shape[:2] != (self.side, self.side):
            fill = np.asarray(pad_value, float).astype(image.dtype)
            if self.side > _LARGEST_COPY:
                return self._sample(image, fill)
            if not patch.size:
                return np.full((self.size, self.size, image.shape[2]), fill)
            # 50 times faster than numpy's assignment, which copies pixel by pixel.
            above, left = y0 - self.top, x0 - self.left
            below, right = self.side - above - (y1 - y0), self.side - left - (x1 - x0)
            patch = cv2.copyMakeBorder(
                patch, above, below, left, right, cv2.BORDER_CONSTANT, value=fill.tolist()
            )
        if self.side == self.size:
            return np.ascontiguousarray(patch)
        return cv2.resize(patch, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def _sample(self, image: NDArray[np.uint8], pad_value: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As ``cut``, up to rounding, at the memory of the crop, not of the region.

        For a box as long as a very wide image, whose square is mostly outside.
        """
        places = (np.arange(self.size) + 0.5) * (self.side / self.size) - 0.5
        places = np.clip(places, 0, self.side - 1)
        low = np.minimum(places.astype(int), max(self.side - 2, 0))
        share = (places - low)[:, None]
        rows = self._values(image, low[:, None] + self.top, low + self.left, pad_value)
        right = self._values(image, low[:, None] + self.top, low + self.left + 1, pad_value)
        below = self._values(image, low[:, None] + self.top + 1, low + self.left, pad_value)
        corner = self._values(image, low[:, None] + self.top + 1, low + self.left + 1, pad_value)
        upper = rows + (right - rows) * share
        lower = below + (corner - below) * share
        return np.rint(upper + (lower - upper) * share[:, None]).astype(image.dtype)

    @staticmethod
    def _values(
        image: NDArray[np.uint8],
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        pad_value: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        """The pixels at ``rows`` (R, 1) and ``columns`` (C,), padded outside: (R, C, 3) floats."""
        height, width = image.shape[:2]
        is_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        pixels = image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.where(is_inside[..., None], pixels, pad_value).astype(np.float32)
