"""Conversion of camera frames and the initial box to the format of the tracker.

The tracker sees (H, W, 3) uint8 for both modalities, in RGB order, of equal size. Thermal cameras
deliver 8 or 16 bits, one channel or a false-color image, and often another resolution: each is
converted to that format, or rejected with a one-line error.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Frame = NDArray[np.generic] | None
Frames = dict[str, NDArray[np.uint8]]

_MODALITY_NAMES = {"rgb": "visible", "tir": "thermal"}
_ASPECT_TOLERANCE = 0.02
_BLANK_RANGE = 2


def prepare_frames(rgb: Frame, tir: Frame, size: tuple[int, int] | None = None) -> Frames:
    """Both frames in the tracker's format, (H, W, 3) uint8 of one size; a missing one left out.

    ``size`` (width, height) is that size; by default that of the visible frame, or else of the
    thermal one. Raises ``ValueError`` when both are missing or one cannot be used.
    """
    frames = {}
    if rgb is not None:
        frames["rgb"] = as_rgb_uint8(rgb, _MODALITY_NAMES["rgb"])
    if tir is not None:
        frames["tir"] = as_rgb_uint8(tir, _MODALITY_NAMES["tir"])
    if not frames:
        raise ValueError(
            "both frames are missing: give the visible frame, the thermal one, or both"
        )
    if size is not None:
        return {
            name: resize_registered(frame, size, name, "first frame")
            for name, frame in frames.items()
        }
    if len(frames) == 2:
        height, width = frames["rgb"].shape[:2]
        frames["tir"] = resize_registered(frames["tir"], (width, height), "tir", "visible frame")
    return frames


def as_rgb_uint8(image: NDArray[np.generic], what: str) -> NDArray[np.uint8]:
    """Any camera frame -> (H, W, 3) uint8.

    ``image`` is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4, alpha dropped), uint8 or uint16. 16 bits
    are stretched to 8 per frame between the 0.5th and the 99.5th percentile, as thermal cameras do
    for their displays. ``what`` names the frame in errors. Raises ``ValueError`` for anything else.
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[2] == 4:
        image = image[..., :3]
    has_valid_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if not has_valid_shape or 0 in image.shape or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"{what} frame has shape {image.shape} and type {image.dtype}; "
            "expected (H, W) or (H, W, 3) of uint8 or uint16"
        )
    if image.dtype == np.uint16:
        image = stretch_to_uint8(image)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(image)


def central_range(image: NDArray[np.generic]) -> tuple[float, float]:
    """The limits of the central 99 % of an image's values."""
    low, high = np.percentile(image[::2, ::2].astype(np.float32), (0.5, 99.5))
    return float(low), float(high)


def stretch_to_uint8(
    image: NDArray[np.generic], limits: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Stretch an image's values between ``limits`` over 0..255; a constant image becomes 0.

    The limits are by default those of the central 99 % of its values.
    """
    low, high = limits or central_range(image)
    scaled = (image.astype(np.float32) - low) * (255.0 / max(high - low, 1.0))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def resize_registered(
    image: NDArray[np.uint8], size: tuple[int, int], name: str, other: str
) -> NDArray[np.uint8]:
    """Resize a registered frame of another resolution to ``size`` (width, height), the ``other``'s.

    Raises ``ValueError`` when the aspect ratios differ by more than 2 %: such frames do not show
    the same field of view, and boxes of one would not fit the other.
    """
    width, height = size
    image_height, image_width = image.shape[:2]
    if (image_height, image_width) == (height, width):
        return image
    if abs(image_width * height / (image_height * width) - 1) > _ASPECT_TOLERANCE:
        raise ValueError(
            f"{_MODALITY_NAMES[name]} frame of {image_width}x{image_height} pixels does not fit "
            f"the {other} of {width}x{height}: find where the two cameras see the same with "
            "rgbt-track register, and give its file as --registration"
        )
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def is_blank(image: NDArray[Any]) -> bool:
    """Whether a frame is blank: black or constant to within 2 gray levels."""
    sample = image[::16, ::16]
    if int(sample.max()) - int(sample.min()) > _BLANK_RANGE:
        return False
    return int(image.max()) - int(image.min()) <= _BLANK_RANGE


def check_box(box: ArrayLike, width: int, height: int) -> NDArray[np.floating]:
    """A target's box as (4,) floats; ``ValueError`` says why it cannot start a tracker."""
    try:
        values = np.asarray(box, float).ravel()
    except (TypeError, ValueError):
        raise ValueError(f"the box {box!r} is not four numbers x, y, w, h") from None
    text = ", ".join(f"{value:g}" for value in values)
    if values.size != 4:
        raise ValueError(f"the box ({text}) is not four numbers x, y, w, h")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"the box ({text}) has a number that is not finite")
    x, y, w, h = values
    if w <= 0 or h <= 0:
        raise ValueError(f"the box ({text}) is empty: width and height must be positive")
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise ValueError(f"the box ({text}) lies outside the {width}x{height} frame")
    return values
