"""Flicker of fused video: what changes where nothing has changed.

Measures of temporal consistency compare a frame with the one before, warped by optical flow; where
neither source has changed, no flow is needed and none can be wrong. So the flicker of a frame is
the mean change of the fused image, in gray levels, over the pixels at which both sources have kept
their value to ``STILL`` levels. A mean of both sources has a flicker below ``STILL``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STILL = 2
_FEWEST_SHARE = 0.01

Gray = NDArray[np.uint8]


class Flicker:
    """Collects the frames of one video, in order."""

    def __init__(self) -> None:
        self._last: tuple[Gray, Gray, Gray] | None = None

    def add(self, fused: Gray, visible: Gray, infrared: Gray) -> float | None:
        """The flicker of this frame against the last one, in gray levels.

        ``None`` for the first frame, and where fewer than 1 % of the pixels have stayed. All
        images are (H, W); another size begins anew.
        """
        last, self._last = self._last, (fused, visible, infrared)
        if last is None or last[0].shape != fused.shape:
            return None
        changes = [
            np.abs(now.astype(np.int16) - before)
            for now, before in zip(self._last, last, strict=True)
        ]
        still = (changes[1] <= STILL) & (changes[2] <= STILL)
        if still.mean() < _FEWEST_SHARE:
            return None
        return float(changes[0][still].mean())
