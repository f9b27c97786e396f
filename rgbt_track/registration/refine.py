"""Refinement of a homography by its edge fields, over several frames and from coarse to fine.

Gauss-Newton steps on the normalized correlation of the two fields (Evangelidis and Psarakis, ECC,
TPAMI 2008), in which one homography explains all frames; pixels that disagree, where one modality
shows nothing of what the other does, count little (Huber's weights).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.registration.coarse import Candidate, shrink
from rgbt_track.registration.features import edge_field
from rgbt_track.registration.model import Matrix, resize_matrix

# Width of the visible frame, blur of the fields, parameters (4: similarity, 6: affine, 8:
# homography), steps.
COARSE_LEVELS = ((96, 2.5, 4, 10), (128, 2.5, 6, 10), (192, 2.5, 8, 10))
FINE_LEVELS = ((320, 2.0, 8, 8),)
FINEST_LEVELS = ((480, 1.5, 8, 8),)

Levels = tuple[tuple[int, float, int, int], ...]

_MIN_PIXELS = 400
_DAMPING = 1e-3
_MAX_SHIFT = 0.05  # of the width, per step, at the corners


def refine(
    rgb: Sequence[NDArray[np.generic]],
    tir: Sequence[NDArray[np.generic]],
    matrix: Matrix,
    levels: Levels,
) -> Candidate:
    """Refine a homography.

    The score of the result is that of the last level.

    Args:
        rgb: gray visible frames, (H, W) of one size.
        tir: gray thermal frames of the same moments.
        matrix: (3, 3), from thermal to visible pixels, a few percent of the width from the truth.
        levels: ``COARSE_LEVELS``, then with its result ``FINE_LEVELS``, then ``FINEST_LEVELS``.
    """
    score = -1.0
    for width, blur, parameters, steps in levels:
        matrix, score = _refine_level(rgb, tir, matrix, width, blur, parameters, steps)
    return Candidate(score, matrix)


def _refine_level(
    rgb: Sequence[NDArray[np.generic]],
    tir: Sequence[NDArray[np.generic]],
    matrix: Matrix,
    width: int,
    blur: float,
    parameters: int,
    steps: int,
) -> tuple[Matrix, float]:
    full = rgb[0].shape[1], rgb[0].shape[0]
    width = min(width, full[0])
    size = width, round(width * full[1] / full[0])
    to_small = resize_matrix(full, size)
    fixed = [
        edge_field(cv2.resize(image, size, interpolation=cv2.INTER_AREA), blur) for image in rgb
    ]
    current = to_small @ matrix
    best, best_score = current, -1.0
    for step in range(steps + 1):
        normal, gradient, score = _normal_equations(fixed, tir, current, size, blur, parameters)
        if score > best_score:
            best, best_score = current, score
        if step == steps or normal is None:
            break
        damped = normal + _DAMPING * np.diag(np.diag(normal))
        update = _increment(np.linalg.solve(damped, gradient), size)
        if update is None:
            break
        current = np.linalg.inv(update) @ current
        current = current / current[2, 2]
    return np.linalg.inv(to_small) @ best, best_score


def _normal_equations(
    fixed: Sequence[NDArray[np.float32]],
    tir: Sequence[NDArray[np.generic]],
    matrix: Matrix,
    size: tuple[int, int],
    blur: float,
    parameters: int,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64], float]:
    """Normal matrix (P, P), right-hand side (P,) and correlation, summed over the frames."""
    normal, gradient = np.zeros((parameters, parameters)), np.zeros(parameters)
    products, energies = 0.0, np.zeros(2)
    mask = cv2.warpPerspective(np.ones(tir[0].shape[:2], np.float32), matrix, size)
    inside = cv2.erode((mask > 0.99).astype(np.uint8), np.ones((7, 7), np.uint8),
                       borderType=cv2.BORDER_CONSTANT, borderValue=0)  # fmt: skip
    rows, columns = np.nonzero(inside)
    if len(rows) < _MIN_PIXELS:
        return None, gradient, -1.0
    x, y = _normalized(columns, size[0], size[0]), _normalized(rows, size[1], size[0])
    basis = _basis(x, y, parameters)
    for field, image in zip(fixed, tir, strict=True):
        moving = edge_field(shrink(image, matrix, size), blur)
        target, source = field[rows, columns], moving[rows, columns]
        target, source = target - target.mean(0), source - source.mean(0)
        norms = np.sqrt((target**2).sum()), np.sqrt((source**2).sum())
        products += float((target * source).sum())
        energies += float(norms[0] ** 2), float(norms[1] ** 2)
        residual = target / max(norms[0], 1e-9) - source / max(norms[1], 1e-9)
        size_of = np.sqrt((residual**2).sum(1))
        limit = 1.5 * np.median(size_of) + 1e-12
        weight = np.minimum(1, limit / np.maximum(size_of, 1e-12))
        slopes = [
            cv2.Sobel(moving, cv2.CV_32F, *axis, ksize=3, scale=1 / 8)[rows, columns]
            / max(norms[1], 1e-9)
            for axis in ((1, 0), (0, 1))
        ]
        for channel in range(2):
            jacobian = (
                basis[0] * slopes[0][:, channel, None] + basis[1] * slopes[1][:, channel, None]
            ) * size[0]
            weighted = jacobian * weight[:, None]
            normal += weighted.T @ jacobian
            gradient += weighted.T @ residual[:, channel]
    part = np.sqrt(len(rows) / (size[0] * size[1]))
    return normal, gradient, part * products / max(float(np.sqrt(energies.prod())), 1e-9)


def _normalized(index: NDArray[np.int64], side: int, width: int) -> NDArray[np.float64]:
    return (index - (side - 1) / 2) / width


def _basis(
    x: NDArray[np.float64], y: NDArray[np.float64], parameters: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How each parameter moves the pixels: (N, P) along x and along y, in image widths."""
    zero, one = np.zeros_like(x), np.ones_like(x)
    if parameters == 4:
        return np.stack([one, zero, x, -y], 1), np.stack([zero, one, y, x], 1)
    along_x = [one, x, y, zero, zero, zero, x * x, x * y]
    along_y = [zero, zero, zero, one, x, y, x * y, y * y]
    return np.stack(along_x[:parameters], 1), np.stack(along_y[:parameters], 1)


def _increment(p: NDArray[np.floating], size: tuple[int, int]) -> Matrix | None:
    """The small homography of the parameters, in pixels; ``None`` where it hardly moves."""
    if len(p) == 4:
        p = np.array([p[0], p[2], -p[3], p[1], p[3], p[2]])
    p = np.concatenate([p, np.zeros(8 - len(p))])
    width, height = size
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners[:, 1] *= height / width
    along_x, along_y = _basis(corners[:, 0], corners[:, 1], 8)
    motion = max(np.abs(along_x @ p).max(), np.abs(along_y @ p).max())
    if motion * width < 0.01:
        return None
    p = p * min(1, _MAX_SHIFT / motion)
    center = np.array([[1 / width, 0, -(width - 1) / 2 / width],
                       [0, 1 / width, -(height - 1) / 2 / width], [0, 0, 1]])  # fmt: skip
    small = np.array([[1 + p[1], p[2], p[0]], [p[4], 1 + p[5], p[3]], [-p[6], -p[7], 1]])
    return np.linalg.inv(center) @ small @ center
