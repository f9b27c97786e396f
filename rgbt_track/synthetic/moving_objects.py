"""The moving objects of a synthetic scene, and the static ones that occlude them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.compositing import Placement
from rgbt_track.synthetic.sprites import POSES, Pose


class MovingObject:
    """A figure and its path through the scene.

    Args:
        poses: the figure in all phases of its movement.
        feet: (frames, 2) foot points in pixels of the background.
        heights: (frames,) heights in pixels.
        contrast: (frames,) thermal contrast, as in ``Challenge``.
    """

    def __init__(
        self,
        poses: list[Pose],
        feet: NDArray[np.floating],
        heights: NDArray[np.floating],
        contrast: NDArray[np.floating],
    ) -> None:
        self.poses, self.feet, self.heights, self.contrast = poses, feet, heights, contrast
        self._level: float | None = None
        # The walking cycle follows the distance covered.
        steps = np.diff(feet, axis=0, prepend=feet[:1])
        self._cycle = np.cumsum(np.hypot(*steps.T) / (0.8 * heights) + 0.01)
        # It faces where it moved in the last frames; a slow figure does not turn.
        self._mirrored = np.zeros(len(steps), bool)
        is_mirrored = False
        for index in range(len(steps)):
            velocity = steps[max(index - 4, 0) : index + 1, 0].mean()
            is_mirrored = is_mirrored if abs(velocity) < 0.3 else bool(velocity < 0)
            self._mirrored[index] = is_mirrored

    def pose(self, index: int) -> Pose:
        """The drawn pose of frame ``index``."""
        return self.poses[int(self._cycle[index] * POSES) % POSES]

    def placement(self, index: int, offset: NDArray[np.floating]) -> Placement:
        """Where it stands in the frame whose upper left corner is ``offset`` in the background."""
        foot = self.feet[index] - offset
        return Placement(foot, float(self.heights[index]), bool(self._mirrored[index]))

    def surrounding_level(self, tir: NDArray[np.uint8], box: NDArray[np.float64]) -> float:
        """The gray level that its contrast refers to: the mean in its box, smoothed over time."""
        x, y, w, h = box
        patch = tir[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1]
        mean = float(patch.mean()) if patch.size else float(tir.mean())
        level = mean if self._level is None else 0.75 * self._level + 0.25 * mean
        self._level = level
        return level


class Occluder(NamedTuple):
    """A static object: premultiplied RGBA (h, w, 4) and heat (h, w) images.

    ``corner`` (2,) is the place of its upper left corner in the background.
    """

    rgba: NDArray[np.uint8]
    heat: NDArray[np.uint8]
    corner: NDArray[np.floating]
