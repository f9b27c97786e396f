"""The stretch of 16-bit frames to 8 bits, held steady over a video.

Stretched frame by frame, the whole picture darkens at once when something hot comes in: it
flickers. Here the limits are a running mean of those of the frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.frames import Frame, central_range, stretch_to_uint8

_MEMORY = 0.95  # share of the past in the limits: they follow within a second of video
_LEAST_OVERLAP = 0.5  # of the narrower of two ranges, below which a frame begins anew


class SteadyRange:
    """Stretches the 16-bit frames of one video to 8 bits, in order.

    The first frame is stretched as every single frame is (``stretch_to_uint8``). Where a frame's
    own range hardly overlaps the one so far, the scene is another one or the camera has calibrated
    itself, and the range begins anew.
    """

    def __init__(self) -> None:
        self._limits: NDArray[np.float64] | None = None

    def stretch(self, frame: Frame) -> Frame:
        """A frame of 16 bits in 8, of the same shape; any other one as it is."""
        if frame is None or frame.dtype != np.uint16 or frame.size == 0:
            return frame
        own = np.array(central_range(frame))
        past = self._limits
        if past is None or _overlap(own, past) < _LEAST_OVERLAP:
            self._limits = own
        else:
            self._limits = _MEMORY * past + (1 - _MEMORY) * own
        return stretch_to_uint8(frame, (float(self._limits[0]), float(self._limits[1])))


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """What two ranges share, of the narrower one; 1 where that is a single value inside."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    width = min(one[1] - one[0], other[1] - other[0])
    return float(shared / width) if width > 0 else float(shared >= 0)
