"""Where the tracker cuts its crops, and the way from a box in a crop back to the frame.

The center of a target is everywhere the same point: continuous image coordinates, in which pixel
column ``i`` covers ``[i, i + 1)``. Boxes in a crop are center x, center y, width and height in crop
pixels, measured from the crop's center.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.boxes import Boxes, cxcywh_to_xywh, keep_inside_xywh
from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.crops import CropRegion, context_side
from rgbt_track.tracking.state import TrackState

Point = tuple[float, float]


class CropGeometry:
    """The exact geometry: the square that was really cut is the one that maps boxes back."""

    def __init__(self, settings: TrackingConfig) -> None:
        self.context = settings.context
        self.template_size = settings.template_size
        self.smallest_side = settings.smallest_side

    def template_region(self, state: TrackState) -> CropRegion:
        """The square around the target that the template shows."""
        return self._region(state.center, self._context_side(state), self.template_size)

    def search_region(self, state: TrackState, size: int) -> CropRegion:
        """The square to search, of ``size`` crop pixels on the template's scale."""
        side = self._context_side(state) * (size / self.template_size)
        return self._region(state.center, side, size)

    def scale(self, state: TrackState, region: CropRegion) -> float:
        """Crop pixels per image pixel."""
        return region.scale

    def to_image(self, box_cxcywh: ArrayLike, state: TrackState, region: CropRegion) -> Boxes:
        """A box in the crop of ``region``, cut around the target of ``state`` -> image pixels."""
        return region.centered_to_image(box_cxcywh)

    def clip(
        self, center: ArrayLike, size: ArrayLike, frame_size: tuple[int, int]
    ) -> tuple[Point, Point]:
        """Center and size kept so that the next crop lies at the frame and is no larger."""
        x, y = np.clip(center, 0, frame_size)
        w, h = np.clip(size, np.minimum(self.smallest_side, frame_size), frame_size)
        return (float(x), float(y)), (float(w), float(h))

    def box(self, center: Point, size: Point, frame_size: tuple[int, int]) -> NDArray[np.floating]:
        """The box to report, x, y, w, h: inside the frame."""
        return keep_inside_xywh(
            cxcywh_to_xywh([*center, *size]), *frame_size, smallest=self.smallest_side
        )

    def _region(self, center: Point, side: float, size: int) -> CropRegion:
        return CropRegion.around(*center, side, size)

    def _context_side(self, state: TrackState) -> float:
        return context_side(*state.size, self.context)


class PysotGeometry(CropGeometry):
    """pysot's geometry with its rounding errors, for comparisons box by box.

    pysot reads a center as the index of a pixel, half a pixel less than its coordinate, and rounds
    the crop's corner down from there, which is another half. The way back is by the side before
    rounding, from the last center; and the box is laid around the index, half a pixel up and left.
    """

    def __init__(self, settings: TrackingConfig) -> None:
        super().__init__(settings)
        self.smallest_side = 10.0

    def scale(self, state: TrackState, region: CropRegion) -> float:
        """Crop pixels per image pixel, had the region not been rounded."""
        return self.template_size / self._context_side(state)

    def to_image(self, box_cxcywh: ArrayLike, state: TrackState, region: CropRegion) -> Boxes:
        """A box in the crop -> image pixels, from the last center and by the unrounded scale."""
        return np.asarray(box_cxcywh, float) / self.scale(state, region) + [*state.center, 0, 0]

    def clip(
        self, center: ArrayLike, size: ArrayLike, frame_size: tuple[int, int]
    ) -> tuple[Point, Point]:
        """As pysot clips its index of the center, half a pixel lower."""
        (x, y), size_inside = super().clip(np.asarray(center) - 0.5, size, frame_size)
        return (x + 0.5, y + 0.5), size_inside

    def box(self, center: Point, size: Point, frame_size: tuple[int, int]) -> NDArray[np.floating]:
        """The box to report, x, y, w, h, around the index of the center; it may reach outside."""
        return cxcywh_to_xywh([center[0] - 0.5, center[1] - 0.5, *size])

    def _region(self, center: Point, side: float, size: int) -> CropRegion:
        return CropRegion.around(center[0] - 1, center[1] - 1, side, size)
