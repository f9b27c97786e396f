"""Logistic recalibration of a score (Platt scaling), so that it says how often the box is right.

Platt, Probabilistic outputs for support vector machines, 1999; ``evaluation/calibration.py`` fits
the two numbers to labelled video.
"""

from __future__ import annotations

import math


def recalibrate(score: float, scale: float, bias: float) -> float:
    """``sigmoid(scale * logit(score) + bias)`` of a score in [0, 1]; 0 and 1 stay as they are.

    ``scale`` is positive, so that the order of scores stays. Scale 1 and bias 0 change nothing,
    not even a rounding.
    """
    if not 0 < score < 1 or (scale, bias) == (1, 0):
        return score
    logit = scale * math.log(score / (1 - score)) + bias
    return 0.5 * (1 + math.tanh(0.5 * logit))
