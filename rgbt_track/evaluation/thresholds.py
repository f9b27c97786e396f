"""The thresholds of the published evaluators, to the last bit.

The official evaluators of this field are MATLAB programs, and MATLAB's ``0:0.05:1`` is not
``numpy.linspace(0, 1, 21)``: MATLAB counts the lower half upwards from the start and the upper half
downwards from the stop, so that rounding errors stay symmetric. Several upper thresholds then
differ in the last bit (0.65 among them), and a frame whose overlap is exactly that value changes
sides. The algorithm is the one MathWorks publishes as ``colonop``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matlab_colon(start: float, step: float, stop: float) -> NDArray[np.float64]:
    """MATLAB's ``start:step:stop`` for a positive step, bit for bit.

    The stop is part of the result where it is within two roundings of the last step.
    """
    tolerance = 2 * np.finfo(float).eps * max(abs(start), abs(stop))
    count = round((stop - start) / step)
    if start + count * step - stop > tolerance:
        count -= 1
    last = start + count * step
    if last - stop > -tolerance:
        last = stop
    values = np.empty(count + 1)
    half = np.arange(count // 2 + 1)
    values[half] = start + half * step
    values[count - half] = last - half * step
    if count % 2 == 0:
        values[count // 2] = (start + last) / 2
    return values


OVERLAPS = matlab_colon(0, 0.05, 1)
"""21 overlap thresholds, 0:0.05:1, of the RGBT210, RGBT234 and LasHeR evaluators."""

OVERLAPS_GTOT = matlab_colon(0, 0.02, 1)
"""51 overlap thresholds, 0:0.02:1, of the GTOT evaluator."""

OVERLAPS_PYTHON = np.arange(21) * 0.05
"""``numpy.arange(0, 1.05, 0.05)``, the thresholds of pysot and pytracking."""

DISTANCES = np.arange(51.0)
"""Centre distance thresholds 0, 1, ... 50 pixels."""

DISTANCES_GTOT = np.arange(26.0)
"""Centre distance thresholds 0, 1, ... 25 pixels: GTOT's targets are small."""

NORMALIZED_DISTANCES = np.arange(51) / 100
"""Thresholds 0, 0.01, ... 0.50 of the distance in units of the ground truth's sides."""
