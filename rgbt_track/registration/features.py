"""Structure that visible and thermal images share: where edges are and how they lie.

Brightness says nothing across the modalities, and even the sign of an edge may be reversed; its
place and its orientation modulo 180 degrees remain. So an image becomes the field
``m exp(2 i theta)`` of gradients with angle theta and locally normalized magnitude m: the doubled
angle makes opposite gradients equal and perpendicular ones opposite (Bigün and Granlund, 1987).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

_SMOOTH = 0.8  # sigma of the image before its gradient, pixels
_NEIGHBORHOOD = 1 / 16  # sigma of the local mean magnitude, image widths
_FLOOR = 0.3  # part of the global mean magnitude that the local one is not below


def edge_field(gray: NDArray[np.generic], blur: float) -> Field:
    """The doubled-angle gradient field of an image.

    Args:
        gray: (H, W), any range.
        blur: sigma in pixels of the field; the wider, the larger the reach of a comparison.

    Returns (H, W, 2) float32: the real and the imaginary part, of magnitude 1 on average.
    """
    image = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _SMOOTH)
    dx = cv2.Scharr(image, cv2.CV_32F, 1, 0)
    dy = cv2.Scharr(image, cv2.CV_32F, 0, 1)
    magnitude = cv2.magnitude(dx, dy)
    local = cv2.GaussianBlur(magnitude, (0, 0), max(gray.shape[1] * _NEIGHBORHOOD, 1))
    scale = magnitude * (local + _FLOOR * float(magnitude.mean()) + 1e-6)
    field = np.dstack([dx * dx - dy * dy, 2 * dx * dy]) / np.maximum(scale, 1e-9)[..., None]
    return cv2.GaussianBlur(field, (0, 0), blur) if blur else field
