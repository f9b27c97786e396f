"""A homography from pairs of points, clicked by a user or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.io.box_files import parse_row
from rgbt_track.io.files import read_lines
from rgbt_track.registration.model import Matrix, apply_matrix

MIN_PAIRS = 4
_MIN_SPREAD = 1e-3  # smallest to largest extent of the points


class PointFit(NamedTuple):
    """A homography from thermal to visible pixels, and what it leaves of each pair in pixels."""

    matrix: Matrix
    errors: NDArray[np.float64]

    @property
    def residual(self) -> float:
        """Root mean square of the errors, in visible pixels."""
        return float(np.sqrt((self.errors**2).mean()))


def fit_points(rgb_points: ArrayLike, tir_points: ArrayLike) -> PointFit:
    """The homography with the least squared error in the visible frame.

    Args:
        rgb_points: (N, 2) x, y in visible pixels, N >= 4.
        tir_points: (N, 2) the same points of the scene in thermal pixels.

    Raises ``ValueError`` for too few points, and for points on one line.
    """
    visible, thermal = np.asarray(rgb_points, float), np.asarray(tir_points, float)
    if visible.shape != thermal.shape or visible.ndim != 2 or visible.shape[1] != 2:
        raise ValueError(f"points of shapes {visible.shape} and {thermal.shape}; expected (N, 2)")
    if len(visible) < MIN_PAIRS:
        raise ValueError(f"{len(visible)} point pairs; a homography needs at least {MIN_PAIRS}")
    for name, points in (("visible", visible), ("thermal", thermal)):
        extents = np.linalg.svd(points - points.mean(0), compute_uv=False)
        if extents[1] < _MIN_SPREAD * max(extents[0], 1e-9):
            raise ValueError(f"the {name} points lie on one line; spread them over the frame")
    matrix, _ = cv2.findHomography(thermal, visible, 0)
    if matrix is None or not np.isfinite(matrix).all():
        raise ValueError("no homography fits these points: three of them lie on one line")
    errors = np.linalg.norm(apply_matrix(matrix, thermal) - visible, axis=1)
    return PointFit(matrix, errors)


def read_points(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Point pairs from a text file with rows ``x_rgb,y_rgb,x_tir,y_tir``; # begins a comment.

    Returns the visible and the thermal points, (N, 2) each. Raises ``FileNotFoundError``, and
    ``ValueError`` by row.
    """
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        text = line.partition("#")[0].strip()
        if text:
            row = parse_row(text, f"{path}: row {number}")
            if len(row) != 4:
                raise ValueError(
                    f"{path}: row {number} has {len(row)} numbers; expected x_rgb,y_rgb,x_tir,y_tir"
                )
            rows.append(row)
    points = np.array(rows, float).reshape(-1, 4)
    return points[:, :2], points[:, 2:]
