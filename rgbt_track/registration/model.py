"""A registration: the homography from thermal to visible pixels, and what is done with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import Boxes

Matrix = NDArray[np.float64]
Size = tuple[int, int]
Visible = TypeVar("Visible", bound="NDArray[np.generic] | None")

_ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a thermal camera's pixels are in the frame of a visible camera fixed beside it.

    Centers of pixels are whole numbers. A homography holds for a plane, or for all that is far
    away in comparison with the distance of the cameras.

    Args:
        matrix: (3, 3), maps thermal (x, y, 1) to visible pixels.
        rgb_size: width and height of the visible frames that it was found on.
        tir_size: those of the thermal frames.
        method: "points" or "automatic".
        residual: root mean square of what the fit leaves, in visible pixels; ``None`` if unknown.

    Raises ``ValueError`` for a matrix that is not finite or maps the frame to its horizon.
    """

    matrix: Matrix
    rgb_size: Size
    tir_size: Size
    method: str
    residual: float | None = None

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        is_valid = matrix.shape == (3, 3) and np.isfinite(matrix).all() and matrix[2, 2] != 0
        if is_valid:
            object.__setattr__(self, "matrix", matrix / matrix[2, 2])
            corners = np.column_stack([frame_corners(self.tir_size), np.ones(4)])
            depths = corners @ self.matrix[2]
            is_valid = bool((depths > 0.05).all() and abs(np.linalg.det(self.matrix)) > 1e-9)
        if not is_valid:
            raise ValueError("the registration's matrix does not map the thermal frame to a plane")

    def for_sizes(self, rgb_size: Size, tir_size: Size) -> Matrix:
        """The matrix for frames of other resolutions of the same two cameras.

        Raises ``ValueError`` where an aspect ratio is not the one of the registration.
        """
        for name, own, given in (("visible", self.rgb_size, rgb_size),
                                 ("thermal", self.tir_size, tir_size)):  # fmt: skip
            if abs(own[0] * given[1] / (own[1] * given[0]) - 1) > _ASPECT_TOLERANCE:
                raise ValueError(
                    f"the registration was made for {name} frames of {own[0]}x{own[1]} pixels, not "
                    f"{given[0]}x{given[1]}: register these cameras anew"
                )
        matrix = resize_matrix(self.rgb_size, rgb_size) @ self.matrix
        return matrix @ resize_matrix(tir_size, self.tir_size)

    def warp(self, tir: NDArray[np.generic], rgb_size: Size | None = None) -> NDArray[np.generic]:
        """A thermal frame, (H, W) or (H, W, 3), as the visible camera would see it.

        Pixels that the thermal camera does not see get the frame's median. ``rgb_size`` (width,
        height) is the visible frame's; by default that of the registration. Raises as
        ``for_sizes``.
        """
        size = rgb_size or self.rgb_size
        matrix = self.for_sizes(size, (tir.shape[1], tir.shape[0]))
        fill = np.median(tir[::4, ::4].astype(np.float32).reshape(-1, *tir.shape[2:]), axis=0)
        border = tuple(float(value) for value in np.atleast_1d(fill))
        return cv2.warpPerspective(
            tir, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )  # fmt: skip

    def align(
        self, rgb: Visible, tir: NDArray[np.generic] | None
    ) -> tuple[Visible, NDArray[np.generic] | None]:
        """A frame pair with its thermal frame warped into the visible one; either may be missing.

        Raises as ``for_sizes``.
        """
        if tir is None:
            return rgb, None
        return rgb, self.warp(tir, (rgb.shape[1], rgb.shape[0]) if rgb is not None else None)

    @property
    def digest(self) -> str:
        """A short text that differs between registrations."""
        values = np.round(self.matrix, 9).tobytes() + str((self.rgb_size, self.tir_size)).encode()
        return hashlib.sha256(values).hexdigest()[:16]

    def coverage(self, rgb_size: Size | None = None) -> NDArray[np.float32]:
        """(H, W) in [0, 1]: how far inside the thermal camera's field a visible pixel lies.

        It rises from 0 at the border of the field to 1 within a sixty-fourth of the width.
        """
        size = rgb_size or self.rgb_size
        width, height = self.tir_size
        matrix = resize_matrix(self.rgb_size, size) @ self.matrix
        inside = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size)
        padded = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        distance = cv2.distanceTransform((padded > 127).astype(np.uint8), cv2.DIST_L2, 3)
        return np.clip(distance[1:-1, 1:-1] * (64 / size[0]), 0, 1).astype(np.float32)

    def map_boxes(self, boxes_xywh: ArrayLike) -> Boxes:
        """Boxes (N, 4) in thermal pixels -> the boxes around them in visible pixels."""
        boxes = np.asarray(boxes_xywh, float).reshape(-1, 4)
        x, y, w, h = boxes.T
        corners = np.stack([x, y, x + w, y, x + w, y + h, x, y + h], axis=1).reshape(-1, 2) - 0.5
        mapped = apply_matrix(self.matrix, corners).reshape(-1, 4, 2) + 0.5
        low, high = mapped.min(1), mapped.max(1)
        return np.concatenate([low, high - low], axis=1)


def apply_matrix(matrix: Matrix, points: ArrayLike) -> NDArray[np.float64]:
    """Points (N, 2) mapped by a homography."""
    points = np.asarray(points, float)
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return mapped[:, :2] / mapped[:, 2:]


def resize_matrix(before: Size, after: Size) -> Matrix:
    """The homography of resizing a frame, with the centers of pixels at whole numbers."""
    x, y = after[0] / before[0], after[1] / before[1]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def frame_corners(size: Size) -> NDArray[np.float64]:
    """(4, 2) centers of a frame's corner pixels, clockwise from the upper left."""
    x, y = size[0] - 1.0, size[1] - 1.0
    return np.array([[0, 0], [x, 0], [x, y], [0, y]])
