"""The visible frame in tiles, and how well a thermal view fits each of them, shift by shift.

One number over a whole frame is ruled by its strongest edges, and falls off wherever perspective
or parallax moves a part by a few pixels. Tiles are compared each by itself, with the normalized
correlation of their edge fields, summed over the frames before it is normalized.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.registration.features import Field, edge_field
from rgbt_track.registration.model import Matrix, Size, resize_matrix

_BLUR = 1.0
_FLOOR = 0.4  # part of the mean energy of a tile that none is below, so that flat ones count little
_MARGIN = 5  # pixels at the border of the thermal frame that count as outside


class Tiles:
    """Visible frames at one resolution, cut into equal tiles.

    Args:
        rgb: gray visible frames, (H, W) of one size.
        side: square root of the number of pixels of the smaller frame; never enlarged.
        tile: side of a tile in pixels of the smaller frame.
        overlap: how many times its length is covered by tiles along each axis.
    """

    def __init__(
        self, rgb: Sequence[NDArray[np.generic]], side: float, tile: int, overlap: float
    ) -> None:
        full = rgb[0].shape[1], rgb[0].shape[0]
        ratio = min(side / float(np.sqrt(full[0] * full[1])), 1.0)
        self.size = max(round(full[0] * ratio), 8), max(round(full[1] * ratio), 8)
        self.to_small = resize_matrix(full, self.size)
        self.tile = min(tile, self.size[0]), min(tile, self.size[1])
        columns, rows = (
            _starts(*lengths, overlap) for lengths in zip(self.size, self.tile, strict=True)
        )
        self.places = [(int(x), int(y)) for y in rows for x in columns]
        small = (cv2.resize(image, self.size, interpolation=cv2.INTER_AREA) for image in rgb)
        inside = np.ones(self.size[::-1], np.float32)
        self.fields = [_centered(edge_field(image, _BLUR), inside) for image in small]
        energy = box_energy(self.fields, inside, self.tile)
        self._energies = [float(energy[y, x]) for x, y in self.places]

    def cut(self, field: Field, index: int) -> Field:
        """A tile of a field."""
        x, y = self.places[index]
        return field[y : y + self.tile[1], x : x + self.tile[0]]

    def normalize(self, index: int, products: Field, energy: Field) -> Field:
        """The correlations in [-1, 1] of a tile at all shifts.

        Args:
            index: of the tile.
            products: (R, C), the tile's summed products with the thermal fields at R x C shifts.
            energy: ``box_energy`` of the thermal fields, in which the frame of the first shift
                begins at (0, 0).
        """
        x, y = self.places[index]
        rows, columns = products.shape
        moving = energy[y : y + rows, x : x + columns]
        return products / np.sqrt(self._energies[index] * moving)

    def correlations(
        self, tir: Sequence[NDArray[np.generic]], matrix: Matrix, reach: int
    ) -> tuple[Field, float]:
        """Every tile's correlation at all shifts of up to ``reach`` pixels along each axis.

        ``matrix`` maps thermal pixels to those of the smaller visible frame.

        Returns (N, 2 ``reach`` + 1, the same), of which the middle is no shift, and the part of
        the visible frame that the thermal camera sees.
        """
        window = self.size[0] + 2 * reach, self.size[1] + 2 * reach
        shift = np.array([[1, 0, reach], [0, 1, reach], [0, 0, 1.0]])
        fields, inside = thermal_fields(tir, shift @ matrix, window)
        energy = box_energy(fields, inside, self.tile)
        side = 2 * reach + 1
        surfaces = np.empty((len(self.places), side, side), np.float32)
        for index, (x, y) in enumerate(self.places):
            rows, columns = (
                slice(y, y + side - 1 + self.tile[1]),
                slice(x, x + side - 1 + self.tile[0]),
            )
            products = sum(
                cv2.matchTemplate(field[rows, columns], self.cut(own, index), cv2.TM_CCORR)
                for field, own in zip(fields, self.fields, strict=True)
            )
            surfaces[index] = self.normalize(index, np.asarray(products), energy)
        return surfaces, float(inside[reach:-reach, reach:-reach].mean())


def thermal_fields(
    tir: Sequence[NDArray[np.generic]], matrix: Matrix, size: Size
) -> tuple[list[Field], Field]:
    """The edge fields of thermal frames warped to ``size``, without their mean; 0 outside.

    Also returns (H, W) float32: 1 where the thermal camera sees, 0 elsewhere.
    """
    seen = cv2.warpPerspective(np.ones(tir[0].shape[:2], np.float32), matrix, size)
    inside = cv2.erode(
        (seen > 0.99).astype(np.float32), np.ones((_MARGIN, _MARGIN)),
        borderType=cv2.BORDER_CONSTANT, borderValue=1,
    )  # fmt: skip
    return [
        _centered(edge_field(shrink(each, matrix, size), _BLUR), inside) for each in tir
    ], inside


def box_energy(fields: Sequence[Field], inside: Field, tile: Size) -> Field:
    """The fields' summed squares in a box of a tile's size that begins at each pixel, floored."""
    energy = np.sum([(field**2).sum(2) for field in fields], axis=0, dtype=np.float32)
    floor = _FLOOR * tile[0] * tile[1] * float(energy.sum()) / max(float(inside.sum()), 1.0)
    sums = cv2.boxFilter(
        energy, -1, tile, normalize=False, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT
    )
    return np.asarray(np.maximum(sums, max(floor, 1e-6)), np.float32)


def visible_score(correlations: Field, part: float) -> float:
    """The mean correlation of the tiles that are seen, times the root of their part.

    Chance alone correlates n pixels by about n ** -0.5: this makes overlaps of all sizes equal.
    """
    return float(correlations.mean() / np.sqrt(max(part, 0.05)))


def shrink(image: NDArray[np.generic], matrix: Matrix, size: Size) -> NDArray[np.float32]:
    """Warp to a smaller size without aliasing."""
    sigma = 0.5 * max(1 / np.sqrt(abs(np.linalg.det(matrix[:2, :2]))) - 1, 0)
    smooth = image.astype(np.float32)
    if sigma > 0.2:
        smooth = cv2.GaussianBlur(smooth, (0, 0), sigma)
    return cv2.warpPerspective(smooth, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def _centered(field: Field, inside: Field) -> Field:
    """The field without its mean, which a scene of upright edges has everywhere, and 0 outside."""
    mask = inside[..., None]
    return (field - (field * mask).sum((0, 1)) / max(float(inside.sum()), 1.0)) * mask


def _starts(length: int, tile: int, overlap: float) -> NDArray[np.int64]:
    """Where tiles begin: evenly, from one border to the other."""
    count = max(int(np.ceil(overlap * length / tile)), 1) if length > tile else 1
    return np.linspace(0, length - tile, count).round().astype(np.int64)
