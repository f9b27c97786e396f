"""Refinement of a homography by where the tiles of the visible frame lie in the thermal view.

Each tile is looked for around its place. What it says is not a point but a paraboloid, the fit of
its correlation around the peak: along an edge it says nothing, across it much. The homography that
explains the tiles best is a least-squares fit weighted by those curvatures; tiles that disagree
with the others, where one modality shows nothing of what the other does, count little (iteratively
reweighted, with the weights of Geman and McClure).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbt_track.registration.coarse import Candidate
from rgbt_track.registration.model import Matrix
from rgbt_track.registration.tiles import Tiles, visible_score


class Level(NamedTuple):
    """One resolution of the refinement.

    Args:
        side: square root of the number of pixels of the visible frame.
        tile: side of a tile, pixels.
        reach: how far a tile is looked for at first, pixels.
        parameters: 4 for a similarity, 6 for an affine map, 8 for a homography.
        steps: at most so many.
    """

    side: int
    tile: int
    reach: int
    parameters: int
    steps: int


COARSE = (Level(100, 26, 7, 4, 3), Level(100, 26, 5, 6, 3), Level(140, 30, 4, 8, 3))
FINE = (Level(220, 44, 7, 8, 5), Level(340, 64, 5, 8, 3))

_OVERLAP = 1.7
_MIN_REACH = 3  # pixels
_MIN_TILES = 4
_MIN_CORRELATION = 0.05
_REWEIGHTINGS = 10
_DAMPING = 1e-3
_RIDGE = 0.05  # of the mean curvature, on the two parameters of perspective
_MAX_SHIFT = 0.05  # of the width, per step, at the corners


class Refiner:
    """Refines homographies between the frames of two cameras; see ``refine``.

    Args:
        rgb: gray visible frames, (H, W) of one size.
        tir: gray thermal frames of the same moments.
    """

    def __init__(
        self, rgb: Sequence[NDArray[np.generic]], tir: Sequence[NDArray[np.generic]]
    ) -> None:
        self._rgb, self._tir = rgb, tir
        self._tiles: dict[tuple[int, int], Tiles] = {}

    def refine(self, matrix: Matrix, levels: Sequence[Level]) -> Candidate:
        """Refine a homography, thermal to visible pixels; the score is that of the last level.

        Args:
            matrix: (3, 3), a few percent of the width from the truth.
            levels: ``COARSE``, then with its result ``FINE``.
        """
        score = -1.0
        for level in levels:
            key = level.side, level.tile
            if key not in self._tiles:
                self._tiles[key] = Tiles(self._rgb, *key, _OVERLAP)
            matrix, score = self._refine_level(self._tiles[key], matrix, level)
        return Candidate(score, matrix / matrix[2, 2])

    def _refine_level(self, tiles: Tiles, matrix: Matrix, level: Level) -> tuple[Matrix, float]:
        current = tiles.to_small @ matrix
        best, best_score = current, -1.0
        for step in range(level.steps + 1):
            reach = max(level.reach - step, _MIN_REACH)
            surfaces, part = tiles.correlations(self._tir, current, reach)
            score = visible_score(surfaces[:, reach, reach], part)
            if score > best_score:
                best, best_score = current, score
            update = _fit(surfaces, tiles, level.parameters) if step < level.steps else None
            if update is None:
                break
            current = np.linalg.inv(update) @ current
            current = current / current[2, 2]
        return np.linalg.inv(tiles.to_small) @ best, best_score


def _fit(surfaces: NDArray[np.float32], tiles: Tiles, parameters: int) -> Matrix | None:
    """The small homography that moves the tiles to their peaks; ``None`` where it hardly moves."""
    shifts, curvatures = _paraboloids(surfaces)
    strength = np.trace(curvatures, axis1=1, axis2=2)
    if (strength > 0).sum() < _MIN_TILES:
        return None
    width, height = tiles.size
    middles = np.array(tiles.places) + (np.array(tiles.tile) - 1) / 2
    x, y = _normalized(middles[:, 0], width, width), _normalized(middles[:, 1], height, width)
    basis = np.stack(_basis(x, y, parameters), 1) * width  # (N, 2, P)
    reach = surfaces.shape[1] // 2
    weights = np.ones(len(shifts))
    p = np.zeros(parameters)
    for count in range(_REWEIGHTINGS):
        normal = np.einsum("n,nip,nij,njq->pq", weights, basis, curvatures, basis)
        target = np.einsum("n,nip,nij,nj->p", weights, basis, curvatures, shifts)
        diagonal = np.diag(normal) * _DAMPING
        diagonal[6:] += _RIDGE * np.diag(normal).mean()
        p = np.linalg.solve(normal + np.diag(diagonal), target)
        left = shifts - basis @ p
        squares = np.einsum("ni,nij,nj->n", left, curvatures, left) / np.maximum(strength, 1e-12)
        limit = max(1.0, 0.9 * reach * (1 - count / _REWEIGHTINGS))
        weights = 1 / (1 + squares / limit**2) ** 2
    return _increment(p, tiles.size)


def _paraboloids(
    surfaces: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Peaks (N, 2) x, y from the middle, and curvatures (N, 2, 2) times correlation; 0 for none."""
    reach = surfaces.shape[1] // 2
    shifts, curvatures = np.zeros((len(surfaces), 2)), np.zeros((len(surfaces), 2, 2))
    for index, surface in enumerate(surfaces):
        y, x = np.unravel_index(int(surface.argmax()), surface.shape)
        if surface[y, x] < _MIN_CORRELATION:
            continue
        row, column = (int(np.clip(i, 2, 2 * reach - 2)) for i in (y, x))
        patch = surface[row - 2 : row + 3, column - 2 : column + 3]
        _, along_x, along_y, xx, xy, yy = _PARABOLOID @ patch.ravel()
        values, axes = np.linalg.eigh(-np.array([[xx, xy], [xy, yy]]))
        values = np.maximum(values, 1e-5)
        offset = axes @ (axes.T @ [along_x, along_y] / values)
        if np.abs(offset).max() > 3:  # a ridge: its peak is anywhere along it
            offset = np.zeros(2)
        shifts[index] = np.array([column, row]) - reach + np.clip(offset, -1, 1)
        curvatures[index] = (axes * values) @ axes.T * surface.max()
    return shifts, curvatures


def _paraboloid_fit() -> NDArray[np.float64]:
    """(6, 25): values on a 5 x 5 grid -> constant, slopes x, y, second derivatives xx, xy, yy."""
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[-2:3, -2:3])
    return np.linalg.pinv(np.stack([np.ones(25), x, y, x * x / 2, x * y, y * y / 2], 1))


_PARABOLOID = _paraboloid_fit()


def _normalized(index: NDArray[np.floating], side: int, width: int) -> NDArray[np.float64]:
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
