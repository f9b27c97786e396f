"""The similarity between two cameras, searched everywhere: scale, rotation and shift.

Every scale and rotation of a grid is tried, and all shifts at once by correlation over the FFT.
The score is the normalized correlation of the edge fields over the overlap (Padfield, "Masked
Object Registration in the Fourier Domain", TIP 2012, without the means), summed over the frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.registration.features import edge_field
from rgbt_track.registration.model import Matrix, apply_matrix, frame_corners, resize_matrix

_WIDTH = 112  # of the visible frame in the search, pixels
_BLUR = 1.0
_SCALES = np.exp(np.arange(np.log(0.45), np.log(2.25), 0.06))  # thermal width per visible width
_ANGLES = np.arange(-12, 12.1, 2.4)  # degrees
_MIN_OVERLAP = 0.5  # of the smaller frame
_APART = 0.06  # of the width, between candidates


class Candidate(NamedTuple):
    """A registration and its score; ``matrix`` maps thermal to visible pixels.

    The score is the correlation of the edges in [-1, 1] times the square root of the part of the
    visible frame that both cameras see.
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
    rgb_size, tir_size = (image[0].shape[::-1] for image in (rgb, tir))
    size = _WIDTH, round(_WIDTH * rgb_size[1] / rgb_size[0])
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in rgb]
    fields = [_centered_field(image, np.ones(size[::-1], np.float32)) for image in small]
    to_rgb = resize_matrix(size, rgb_size)
    results = []
    for scale in _SCALES:
        side = round(_WIDTH * scale), round(_WIDTH * scale * tir_size[1] / tir_size[0])
        fixed = _Fixed(
            fields, size, (size[0] + round(side[0] * 1.25), size[1] + round(side[1] * 1.4))
        )
        for angle in _ANGLES:
            matrix, view = _centered(tir_size, side, angle)
            score, shift = _best_shift(tir, matrix, view, fixed)
            results.append(Candidate(score, to_rgb @ shift @ matrix))
    return distinct(results, tir_size, _APART * rgb_size[0], count)


class _Fixed:
    """The spectra of the visible fields, their energies and their frame, padded to ``room``."""

    def __init__(
        self, fields: list[NDArray[np.complex64]], size: tuple[int, int], room: tuple[int, int]
    ):
        self.shape = cv2.getOptimalDFTSize(room[1]), cv2.getOptimalDFTSize(room[0])
        self.size = size
        self.fields = [self.spectrum(field) for field in fields]
        self.energies = [self.spectrum(np.abs(field) ** 2) for field in fields]
        self.inside = self.spectrum(np.ones(size[::-1], np.complex64))

    def spectrum(self, values: NDArray[np.generic]) -> NDArray[np.complex64]:
        padded = np.zeros((*self.shape, 2), np.float32)
        padded[: values.shape[0], : values.shape[1], 0] = values.real
        if np.iscomplexobj(values):
            padded[: values.shape[0], : values.shape[1], 1] = values.imag
        return _complex(cv2.dft(padded))


def _best_shift(
    tir: Sequence[NDArray[np.generic]], matrix: Matrix, size: tuple[int, int], fixed: _Fixed
) -> tuple[float, Matrix]:
    """Score and matrix of the best shift of the thermal frames under one scale and rotation."""
    mask = cv2.warpPerspective(np.ones(tir[0].shape[:2], np.float32), matrix, size)
    core = cv2.erode((mask > 0.99).astype(np.float32), np.ones((3, 3)))
    core_spectrum = np.conj(fixed.spectrum(core))
    correlation = np.zeros(fixed.shape, np.complex64)
    energies = np.zeros(fixed.shape, np.complex64)  # visible in the real part, thermal in the other
    for image, field, energy in zip(tir, fixed.fields, fixed.energies, strict=True):
        moving = _centered_field(shrink(image, matrix, size), core)
        correlation += field * np.conj(fixed.spectrum(moving))
        energies += energy * core_spectrum
        energies += 1j * fixed.inside * np.conj(fixed.spectrum(np.abs(moving) ** 2))
    overlap = _inverse(fixed.inside * core_spectrum).real
    smaller = min(float(core.sum()), float(fixed.size[0] * fixed.size[1]))
    energy = _inverse(energies)
    score = _inverse(correlation).real / np.sqrt(np.maximum(energy.real * energy.imag, 1e-3))
    # Chance alone correlates n pixels by about n ** -0.5: this makes overlaps of all sizes equal.
    score *= np.sqrt(np.clip(overlap / (fixed.size[0] * fixed.size[1]), 0, 1))
    score[overlap < _MIN_OVERLAP * smaller] = -1
    place = np.unravel_index(int(np.argmax(score)), score.shape)
    # Shifts beyond the visible frame are negative ones.
    x, y = (
        int(i) - n if i >= side else int(i)
        for i, n, side in zip(place[::-1], score.shape[::-1], fixed.size, strict=True)
    )
    return float(score[place]), np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)


def _centered_field(image: NDArray[np.generic], mask: NDArray[np.float32]) -> NDArray[np.complex64]:
    """The field without its mean, which a scene of upright edges has everywhere, in a mask."""
    field = _complex(edge_field(image, _BLUR)) * mask
    return field - field.sum() / max(float(mask.sum()), 1.0) * mask


def _inverse(spectrum: NDArray[np.complex64]) -> NDArray[np.complex64]:
    pairs = np.ascontiguousarray(spectrum).view(np.float32).reshape(*spectrum.shape, 2)
    return _complex(cv2.dft(pairs, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE))


def shrink(
    image: NDArray[np.generic], matrix: Matrix, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Warp to a smaller size without aliasing."""
    sigma = 0.5 * max(1 / np.sqrt(abs(np.linalg.det(matrix[:2, :2]))) - 1, 0)
    smooth = image.astype(np.float32)
    if sigma > 0.2:
        smooth = cv2.GaussianBlur(smooth, (0, 0), sigma)
    return cv2.warpPerspective(smooth, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def _centered(
    tir_size: tuple[int, int], side: tuple[int, int], angle: float
) -> tuple[Matrix, tuple[int, int]]:
    """Scale and rotate a frame about its center, into the smallest frame that holds it."""
    scale = resize_matrix(tir_size, side)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    size = (
        int(np.ceil(side[0] * cos + side[1] * abs(sin))),
        int(np.ceil(side[1] * cos + side[0] * abs(sin))),
    )
    x, y = (side[0] - 1) / 2, (side[1] - 1) / 2
    rotation = np.array([[cos, -sin, (size[0] - 1) / 2 - cos * x + sin * y],
                         [sin, cos, (size[1] - 1) / 2 - sin * x - cos * y], [0, 0, 1]])  # fmt: skip
    return rotation @ scale, size


def distinct(
    candidates: Sequence[Candidate], tir_size: tuple[int, int], apart: float, count: int
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


def _complex(field: NDArray[np.float32]) -> NDArray[np.complex64]:
    return np.ascontiguousarray(field).view(np.complex64)[..., 0]
