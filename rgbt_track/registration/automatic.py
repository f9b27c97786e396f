"""Registration without a user: a global search for a similarity, then a homography."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.opencv import opencv_threads
from rgbt_track.registration.coarse import MAX_OFFSET, Candidate, distinct, search_similarity
from rgbt_track.registration.model import Matrix, Registration, Size, frame_corners
from rgbt_track.registration.refine import COARSE, FINE, Refiner

LEAST_MARGIN = 0.06

_COARSE_FRAMES = 4
_FRAMES = 8
_CANDIDATES = 16
_FINALISTS = 5
_MAX_PERSPECTIVE = 1.5
_APART = 0.02  # of the visible width, between finalists
_RIVAL = 0.04  # of the visible width: what is closer is no other answer


class Found(NamedTuple):
    """What the automatic way found.

    Args:
        registration: the best one.
        correlation: of the tiles' edges under it, in [-1, 1] (``Candidate``).
        margin: how far the correlation is above that of the best registration elsewhere. Wrong
            answers have rivals as good as they are; a right one stands alone.
    """

    registration: Registration
    correlation: float
    margin: float

    @property
    def is_certain(self) -> bool:
        """Whether the margin is at least ``LEAST_MARGIN``."""
        return self.margin >= LEAST_MARGIN


def register_frames(
    rgb: Sequence[NDArray[np.generic]], tir: Sequence[NDArray[np.generic]]
) -> Found:
    """Register two cameras by frame pairs of one or, better, several moments.

    Args:
        rgb: (H, W) or (H, W, 3) visible frames of one size.
        tir: thermal frames of the same moments, of one size, which may be another.
    """
    visible, thermal = [_gray(frame) for frame in rgb], [_gray(frame) for frame in tir]
    with opencv_threads(1):  # thousands of small operations, which threads slow down
        finals = _search(visible, thermal)
    sizes = [(image[0].shape[1], image[0].shape[0]) for image in (visible, thermal)]
    best = finals[0]
    rivals = distinct(finals, sizes[1], _RIVAL * sizes[0][0], 2)[1:]
    margin = best.score - max((rival.score for rival in rivals), default=0.0)
    registration = Registration(best.matrix, sizes[0], sizes[1], "automatic")
    return Found(registration, best.score, margin)


def _search(
    visible: list[NDArray[np.generic]], thermal: list[NDArray[np.generic]]
) -> list[Candidate]:
    """The refined finalists, best first."""
    rgb_size, tir_size = ((image[0].shape[1], image[0].shape[0]) for image in (visible, thermal))
    few = _spread(visible, _COARSE_FRAMES), _spread(thermal, _COARSE_FRAMES)
    candidates = search_similarity(*few, _CANDIDATES)
    coarse, fine = Refiner(*few), Refiner(_spread(visible, _FRAMES), _spread(thermal, _FRAMES))
    refined = [coarse.refine(found.matrix, COARSE) for found in candidates]
    refined = [found for found in refined if _is_plausible(found.matrix, tir_size, rgb_size)]
    finalists = distinct(refined or candidates, tir_size, _APART * rgb_size[0], _FINALISTS)
    finals = [fine.refine(found.matrix, FINE) for found in finalists]
    finals = [each for each in finals if _is_plausible(each.matrix, tir_size, rgb_size)] or finals
    return sorted(finals, key=lambda found: -found.score)


def _spread(frames: list[NDArray[np.generic]], count: int) -> list[NDArray[np.generic]]:
    """At most ``count`` frames, evenly spread."""
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), count)).round().astype(int)
    return [frames[index] for index in chosen]


def _is_plausible(matrix: Matrix, tir_size: Size, rgb_size: Size) -> bool:
    """Whether two cameras side by side may see so: nearly the same middle, little perspective."""
    corners = np.column_stack([frame_corners(tir_size), np.ones(4)])
    depths = corners @ matrix[2]
    if depths.min() <= 0 or depths.max() / depths.min() > _MAX_PERSPECTIVE:
        return False
    middle = (corners @ matrix.T)[:, :2] / depths[:, None]
    offset = middle.mean(0) - (np.array(rgb_size) - 1) / 2
    return bool((np.abs(offset) < MAX_OFFSET * np.array(rgb_size)).all())


def _gray(frame: NDArray[np.generic]) -> NDArray[np.generic]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
