"""Registration without a user: a global search for a similarity, then a homography."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.opencv import opencv_threads
from rgbt_track.registration.coarse import Candidate, distinct, search_similarity
from rgbt_track.registration.model import Matrix, Registration, Size, frame_corners
from rgbt_track.registration.refine import COARSE_LEVELS, FINE_LEVELS, FINEST_LEVELS, refine

_COARSE_FRAMES = 4
_CANDIDATES = 16
_FINALISTS = 6
_MAX_PERSPECTIVE = 1.5
_MAX_OFFSET = 0.35  # of the middle of the thermal frame, in visible sides
_APART = 0.02  # of the visible width, between finalists


def register_frames(
    rgb: Sequence[NDArray[np.generic]], tir: Sequence[NDArray[np.generic]]
) -> tuple[Registration, float]:
    """Register two cameras by frame pairs of one or, better, several moments.

    Args:
        rgb: (H, W) or (H, W, 3) visible frames of one size.
        tir: thermal frames of the same moments, of one size, which may be another.

    Returns the registration and its score (``Candidate``).
    """
    visible, thermal = [_gray(frame) for frame in rgb], [_gray(frame) for frame in tir]
    with opencv_threads(1):  # thousands of small operations, which threads slow down
        score, matrix = _search(visible, thermal)
    sizes = [(image[0].shape[1], image[0].shape[0]) for image in (visible, thermal)]
    return Registration(matrix, sizes[0], sizes[1], "automatic"), score


def _search(visible: list[NDArray[np.generic]], thermal: list[NDArray[np.generic]]) -> Candidate:
    few = np.linspace(0, len(visible) - 1, min(len(visible), _COARSE_FRAMES)).round().astype(int)
    candidates = search_similarity(
        [visible[i] for i in few], [thermal[i] for i in few], _CANDIDATES
    )
    refined = [refine(visible, thermal, found.matrix, COARSE_LEVELS) for found in candidates]
    rgb_size, tir_size = ((image[0].shape[1], image[0].shape[0]) for image in (visible, thermal))
    refined = [found for found in refined if _is_plausible(found.matrix, tir_size, rgb_size)]
    finalists = distinct(refined or candidates, tir_size, _APART * rgb_size[0], _FINALISTS)
    finals = [refine(visible, thermal, found.matrix, FINE_LEVELS) for found in finalists]
    best = max(finals, key=lambda found: found.score)
    return refine(visible, thermal, best.matrix, FINEST_LEVELS)


def _is_plausible(matrix: Matrix, tir_size: Size, rgb_size: Size) -> bool:
    """Whether two cameras side by side may see so: nearly the same middle, little perspective."""
    corners = np.column_stack([frame_corners(tir_size), np.ones(4)])
    depths = corners @ matrix[2]
    if depths.min() <= 0 or depths.max() / depths.min() > _MAX_PERSPECTIVE:
        return False
    middle = (corners @ matrix.T)[:, :2] / depths[:, None]
    offset = middle.mean(0) - (np.array(rgb_size) - 1) / 2
    return bool((np.abs(offset) < _MAX_OFFSET * np.array(rgb_size)).all())


def _gray(frame: NDArray[np.generic]) -> NDArray[np.generic]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
