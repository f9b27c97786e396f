"""Who is in a synthetic scene: figures that walk through it, and things to walk behind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.compositing import Placement
from rgbt_track.synthetic.sprites import POSES, Pose


class Actor:
    """A figure and its way: ``feet`` (frames, 2) in world pixels, ``tall`` and ``contrast``."""

    def __init__(
        self,
        poses: list[Pose],
        feet: NDArray[np.floating],
        tall: NDArray[np.floating],
        contrast: NDArray[np.floating],
    ) -> None:
        self.poses, self.feet, self.tall, self.contrast = poses, feet, tall, contrast
        self._level: float | None = None
        moved = np.diff(feet, axis=0, prepend=feet[:1])
        self._cycle = np.cumsum(np.hypot(*moved.T) / (0.8 * tall) + 0.01)
        self._mirrored = self._facing(moved[:, 0])

    def pose(self, index: int) -> Pose:
        """The drawn pose of a frame: the walking cycle follows the way that was covered."""
        return self.poses[int(self._cycle[index] * POSES) % POSES]

    def placement(self, index: int, offset: NDArray[np.floating]) -> Placement:
        """Where it stands in the image whose upper left corner is ``offset`` in the world."""
        foot = self.feet[index] - offset
        return Placement(foot, float(self.tall[index]), bool(self._mirrored[index]))

    def level(self, tir: NDArray[np.uint8], box: NDArray[np.float64]) -> float:
        """The temperature that its contrast refers to: that of where it is, followed slowly."""
        x, y, w, h = box
        patch = tir[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1]
        here = float(patch.mean()) if patch.size else float(tir.mean())
        self._level = here if self._level is None else 0.75 * self._level + 0.25 * here
        return self._level

    @staticmethod
    def _facing(dx: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Left or right by the motion of the last frames; a slow figure does not turn."""
        mirrored, turned = np.zeros(len(dx), bool), False
        for index in range(len(dx)):
            recent = dx[max(index - 4, 0) : index + 1].mean()
            turned = turned if abs(recent) < 0.3 else bool(recent < 0)
            mirrored[index] = turned
        return mirrored


class Occluder(NamedTuple):
    """Something still: premultiplied RGBA and heat pictures, ``place`` its corner in the world."""

    rgba: NDArray[np.uint8]
    heat: NDArray[np.uint8]
    place: NDArray[np.floating]
