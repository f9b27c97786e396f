"""The similarity between two cameras, searched everywhere: scale, rotation and shift.

Every scale and rotation of a grid is tried, and all shifts at once by correlation over the FFT,
tile by tile of the visible frame. A tile may lie a little off its place, as the parts of a
deformable model (Felzenszwalb et al., TPAMI 2010), so that neither the steps of the grid nor
perspective nor parallax spoil what the tiles say together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.registration.features import Field
from rgbt_track.registration.model import Matrix, Size, apply_matrix, frame_corners
from rgbt_track.registration.tiles import Tiles, box_energy, thermal_fields

MAX_OFFSET = 0.4  # of the middle of the thermal frame, in visible sides

_SIDE, _TILE = 100, 26  # pixels
_SCALES = np.exp(np.arange(np.log(0.45), np.log(2.25), 0.08))  # thermal width per visible width
_ANGLES = np.arange(-12, 12.1, 4)  # degrees
_SLACK = 5  # pixels, the side of the square within which a tile may lie
_MIN_OVERLAP = 0.45  # of the smaller frame
_PEAKS, _PEAK_RADIUS = 2, 8  # of one scale and rotation, and their distance in pixels
_APART = 0.05  # of the width, between candidates


class Candidate(NamedTuple):
    """A registration and its score; ``matrix`` maps thermal to visible pixels.

    The score is the mean correlation of the tiles' edges in [-1, 1] times the square root of the
    part of the visible frame that both cameras see.
    """

    score: float
    matrix: Matrix


def search_similarity(
    rgb: Sequence[NDArray[np.generic]], tir: Sequence[NDArray[np.generic]], count: int
) -> list[Candidate]:
    """The best ``count`` similarities that differ from each other, best first.

    Args:
        rgb: gray visible frames, (H, W) of one size.
        tir: gray thermal frames of the same moments.
        count: of candidates.
    """
    search = _Search(Tiles(rgb, _SIDE, _TILE, overlap=1), tir)
    found = [peak for scale in _SCALES for angle in _ANGLES for peak in search.peaks(scale, angle)]
    tir_size = tir[0].shape[1], tir[0].shape[0]
    return distinct(found, tir_size, _APART * rgb[0].shape[1], count)


class _Search:
    """The spectra of the visible tiles, and the thermal frames that are compared with them.

    Thermal frames are drawn into a window as large as the visible frame and all its shifts.
    """

    def __init__(self, tiles: Tiles, tir: Sequence[NDArray[np.generic]]) -> None:
        self._tiles, self._tir = tiles, tir
        width, height = tiles.size
        reach = round(MAX_OFFSET * width), round(MAX_OFFSET * height)
        self._shifts = 2 * reach[1] + 1, 2 * reach[0] + 1
        self._window = width + 2 * reach[0], height + 2 * reach[1]
        self._spectra = [
            [self._spectrum(self._only(field, index)) for field in tiles.fields]
            for index in range(len(tiles.places))
        ]

    def peaks(self, scale: float, angle: float) -> list[Candidate]:
        """The best shifts of the thermal frames under one scale and rotation (degrees)."""
        tiles = self._tiles
        matrix = self._centered(scale, np.radians(angle))
        fields, inside = thermal_fields(self._tir, matrix, self._window)
        spectra = [self._spectrum(field) for field in fields]
        energy = box_energy(fields, inside, tiles.tile)
        total = np.zeros(self._shifts, np.float32)
        for index, own in enumerate(self._spectra):
            product = np.sum(
                [
                    cv2.mulSpectrums(moving, fixed, 0, conjB=True)
                    for moving, fixed in zip(spectra, own, strict=True)
                ],
                axis=0,
            )
            # Both components are real products of fields: the real part is their inner product.
            products = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)
            products = products[: self._shifts[0], : self._shifts[1], 0]
            correlation = tiles.normalize(index, products, energy)
            total += cv2.dilate(correlation, np.ones((_SLACK, _SLACK), np.uint8))
        mean = np.asarray(total / len(tiles.places), np.float32)
        return self._best(mean, inside, matrix)

    def _best(self, mean: Field, inside: Field, matrix: Matrix) -> list[Candidate]:
        size = self._tiles.size
        overlap = cv2.boxFilter(
            inside, -1, size, normalize=False, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT
        )[: self._shifts[0], : self._shifts[1]]
        pixels = size[0] * size[1]
        score = mean / np.sqrt(np.maximum(overlap / pixels, 0.05))
        score[overlap < _MIN_OVERLAP * min(float(inside.sum()), pixels)] = -1
        from_small = np.linalg.inv(self._tiles.to_small)
        found = []
        for _ in range(_PEAKS):
            y, x = np.unravel_index(int(score.argmax()), score.shape)
            shift = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
            found.append(Candidate(float(score[y, x]), from_small @ shift @ matrix))
            around = (slice(max(i - _PEAK_RADIUS, 0), i + _PEAK_RADIUS + 1) for i in (y, x))
            score[tuple(around)] = -1
        return found

    def _centered(self, scale: float, angle: float) -> Matrix:
        """Scale and rotate a thermal frame about its middle, into the middle of the window."""
        height, width = self._tir[0].shape[:2]
        factor = scale * self._tiles.size[0] / width
        cos, sin = factor * np.cos(angle), factor * np.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        middle = (self._window[0] - 1) / 2, (self._window[1] - 1) / 2
        return np.array([[cos, -sin, middle[0] - cos * x + sin * y],
                         [sin, cos, middle[1] - sin * x - cos * y], [0, 0, 1]])  # fmt: skip

    def _only(self, field: Field, index: int) -> Field:
        """One tile of a field in its place, 0 elsewhere."""
        alone = np.zeros_like(field)
        self._tiles.cut(alone, index)[:] = self._tiles.cut(field, index)
        return alone

    def _spectrum(self, field: Field) -> Field:
        width, height = (cv2.getOptimalDFTSize(side) for side in self._window)
        padded = np.zeros((height, width, 2), np.float32)
        padded[: field.shape[0], : field.shape[1]] = field
        return cv2.dft(padded)


def distinct(
    candidates: Sequence[Candidate], tir_size: Size, apart: float, count: int
) -> list[Candidate]:
    """The best ``count`` candidates of which each moves a corner ``apart`` pixels from the others.

    Args:
        candidates: in any order.
        tir_size: width and height of the thermal frames, whose corners are compared.
        apart: distance in visible pixels.
        count: at most so many.
    """
    corners = frame_corners(tir_size)
    chosen: list[tuple[Candidate, NDArray[np.float64]]] = []
    for candidate in sorted(candidates, key=lambda each: -each.score):
        places = apply_matrix(candidate.matrix, corners)
        if all(np.abs(places - other).max() > apart for _, other in chosen):
            chosen.append((candidate, places))
        if len(chosen) == count:
            break
    return [candidate for candidate, _ in chosen]
