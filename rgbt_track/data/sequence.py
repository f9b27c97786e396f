"""One RGB-T sequence: the files of its frames and the annotation of its target.

Every data set, whatever its layout, becomes a list of these. A still image with a labelled object
is a sequence of length one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, iou_xywh
from rgbt_track.data.annotations import Annotation
from rgbt_track.data.masks import foreground, mask_extent, read_mask
from rgbt_track.io.images import read_rgb, read_tir
from rgbt_track.io.videos import VideoFrame, read_video_frame
from rgbt_track.registration.model import Registration

Frame = tuple[NDArray[np.uint8] | None, NDArray[np.generic] | None]
FrameFile = Path | VideoFrame


@dataclass(frozen=True, eq=False)
class Sequence:
    """Frames and labels of one target.

    ``rgb`` and ``tir`` are the image files, or frames of a video file, in order; ``None`` for a
    modality the set lacks.
    ``annotation`` has a row per frame; its parts are properties here. ``masks`` are one file per
    frame; where ``mask_labels`` is true they hold one integer per object, otherwise the bright
    pixels are the target. Sequences of one ``group`` show one scene, so that none has a negative
    for another; without it, each is alone. With a ``registration``, thermal frames are warped into
    the visible ones as they are read.
    """

    name: str
    rgb: tuple[FrameFile, ...] | None
    tir: tuple[FrameFile, ...] | None
    annotation: Annotation
    masks: tuple[Path, ...] | None = None
    mask_labels: bool = False
    group: str | None = None
    registration: Registration | None = None

    def __post_init__(self) -> None:
        if self.rgb is None and self.tir is None:
            raise ValueError(f"{self.name}: a sequence needs visible or thermal frames")
        for field in ("rgb", "tir", "masks"):
            values = getattr(self, field)
            if values is not None and len(values) != len(self.boxes):
                raise ValueError(f"{self.name}: {len(values)} {field} for {len(self.boxes)} boxes")
        if self.registration is not None and self.boxes_tir is not None:
            raise ValueError(
                f"{self.name}: it has thermal boxes of their own, in pixels that a registration "
                "would move: leave the registration out"
            )

    def __len__(self) -> int:
        return len(self.annotation)

    @property
    def boxes(self) -> Boxes:
        """(N, 4) x, y, w, h in pixels of the visible image; NaN rows without a label."""
        return self.annotation.boxes

    @property
    def boxes_tir(self) -> Boxes | None:
        """(N, 4) boxes in the thermal image, where the set labels both."""
        return self.annotation.boxes_tir

    @property
    def absent(self) -> NDArray[np.bool_]:
        """(N,) whether the set says that the target is not there."""
        return self.annotation.absent

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of the challenges that the set says occur."""
        return self.annotation.attributes

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N,) whether a frame has a box of positive size that the set does not mark absent."""
        return self.annotation.labelled

    def frame(self, index: int) -> Frame:
        """Read frame ``index`` (from 0): visible (H, W, 3) uint8 RGB and thermal as it is stored.

        The thermal image is (H, W) uint8 or uint16, or (H, W, 3) uint8. ``None`` stands for a
        modality that the set lacks. Raises ``FileNotFoundError`` or ``ValueError`` by file.
        """
        rgb = None if self.rgb is None else _read(self.rgb[index], thermal=False)
        tir = None if self.tir is None else _read(self.tir[index], thermal=True)
        return (rgb, tir) if self.registration is None else self.registration.align(rgb, tir)

    def image_files(self, modality: str) -> tuple[Path, ...]:
        """The image files of "rgb" or "tir"; ``ValueError`` where it has none, as of a video."""
        if modality == "tir" and self.registration is not None:
            raise ValueError(
                f"{self.name}: thermal images are registered as they are read; this needs "
                "files that are registered already"
            )
        files: tuple[FrameFile, ...] | None = getattr(self, modality)
        paths = tuple(file for file in files or () if isinstance(file, Path))
        if not paths:
            video = files[0] if files else None
            where = f"no {modality} frames"
            if isinstance(video, VideoFrame):
                where = f"frames of the video {video.path}"
            raise ValueError(f"{self.name}: {where}; this needs {modality} image files")
        return paths

    def mask(self, index: int) -> NDArray[np.bool_] | None:
        """Read the target's mask (H, W) in frame ``index``; ``None`` where the set has none.

        Among the objects of an integer-label mask, the one whose extent fits the box best.
        """
        if self.masks is None:
            return None
        labels = read_mask(self.masks[index])
        if not self.mask_labels:
            return foreground(labels)
        return _matching_object(labels, self.boxes[index])


def _read(file: FrameFile, thermal: bool) -> NDArray[Any]:
    if isinstance(file, VideoFrame):
        return read_video_frame(file, thermal)
    return read_tir(file) if thermal else read_rgb(file)


def _matching_object(labels: NDArray[np.uint8], box: Boxes) -> NDArray[np.bool_]:
    objects = [labels == value for value in np.unique(labels) if value]
    if not objects:
        return np.zeros(labels.shape, bool)
    extents = np.stack([mask_extent(mask) for mask in objects])
    return objects[int(np.argmax(iou_xywh(extents, box)))]
