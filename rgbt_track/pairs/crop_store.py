"""Crops around one target, the input of training, and the stores that hold them.

A ``Track`` is the labelled part of a sequence; a ``StoredCrop`` is one of its frames, both
modalities cut with one ``CropRegion`` several context sides wide, so that augmentation can still
shift and scale inside it. Stores differ in where the pixels come from: image files (``FileStore``)
or one LMDB file (``lmdb_store.py``). Both give the same crops up to the store's compression.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, xywh_to_cxcywh
from rgbt_track.config.pairs import StoreConfig
from rgbt_track.crops import CropRegion, context_side
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.frames import prepare_frames
from rgbt_track.modalities import MODALITIES

_GRAY_TOLERANCE = 4.0  # mean difference of the channels, in gray levels, of a compressed image
_MIN_SIDE = 2.0  # pixels; a smaller box is an error of the label and no target to learn from


@dataclass(frozen=True, eq=False)
class Track:
    """The frames of one target that can be trained on.

    Args:
        name: of the sequence.
        frames: (n,) frame numbers in the sequence, ascending.
        boxes: (n, 4) x, y, w, h in pixels of the stored crop.
        modalities: which of "rgb" and "tir" the sequence has.
        has_mask: whether crops come with the target's mask.
        group: tracks of one group show the same scene, so none is a negative of another.
    """

    name: str
    frames: NDArray[np.int64]
    boxes: Boxes
    modalities: tuple[str, ...]
    has_mask: bool
    group: str

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class StoredCrop:
    """One frame of a track.

    Args:
        images: modality -> (size, size, 3) uint8 RGB; thermal may be (size, size, 1).
        pad_values: modality -> (3,) uint8, the whole image's channel means, for pixels outside.
        mask: (size, size) bool, the target's pixels; ``None`` where the set has no masks.
        box: (4,) x, y, w, h in pixels of this crop.
    """

    images: dict[str, NDArray[np.uint8]]
    pad_values: dict[str, NDArray[np.uint8]]
    mask: NDArray[np.bool_] | None
    box: Boxes


class TrackStore(Protocol):
    """Tracks and their crops; picklable, and safe to read from any process."""

    @property
    def tracks(self) -> Series[Track]:
        """All tracks, each with at least one frame."""
        ...

    @property
    def geometry(self) -> StoreConfig:
        """How crops are cut."""
        ...

    def read(self, track: int, position: int) -> StoredCrop:
        """Crop number ``position`` of track number ``track``."""
        ...


def store_region(box_xywh: Boxes, geometry: StoreConfig) -> CropRegion:
    """The square of ``factor`` context sides around a box in image pixels."""
    x, y, w, h = xywh_to_cxcywh(box_xywh)
    side = geometry.factor * context_side(w, h, geometry.context)
    return CropRegion.around(x, y, side, geometry.size)


def usable_frames(sequence: Sequence) -> NDArray[np.int64]:
    """Numbers of the frames whose labels give a target to learn from."""
    sides = np.nan_to_num(sequence.boxes[:, 2:]).min(axis=1)
    return np.flatnonzero(sequence.labelled & (sides >= _MIN_SIDE))


def make_track(sequence: Sequence, geometry: StoreConfig, every: int = 1) -> Track:
    """The track of a sequence, each ``every``-th usable frame; may have none."""
    frames = usable_frames(sequence)[::every]
    boxes = np.empty((len(frames), 4))
    for row, frame in enumerate(frames):
        box = sequence.boxes[frame]
        boxes[row] = store_region(box, geometry).image_to_crop(box)
    files = sequence.rgb or sequence.tir
    assert files is not None
    is_still = len(sequence) == 1  # tracks of one still image are one group
    return Track(
        name=sequence.name,
        frames=frames,
        boxes=boxes,
        modalities=tuple(name for name in MODALITIES if getattr(sequence, name) is not None),
        has_mask=sequence.masks is not None,
        group=sequence.group or (str(files[0].name) if is_still else sequence.name),
    )


def cut_crop(sequence: Sequence, frame: int, geometry: StoreConfig) -> StoredCrop:
    """Read one frame of a sequence and cut the square around its box out of both modalities."""
    box = sequence.boxes[frame]
    region = store_region(box, geometry)
    frames = prepare_frames(*sequence.frame(frame))
    pad_values = {name: image.mean(axis=(0, 1)).astype(np.uint8) for name, image in frames.items()}
    images = {name: region.cut(image, pad_values[name]) for name, image in frames.items()}
    if "tir" in images:
        # One channel is enough where the image has no color but compression noise.
        spread = images["tir"].max(axis=2).astype(np.int16) - images["tir"].min(axis=2)
        if spread.mean() < _GRAY_TOLERANCE:
            images["tir"] = images["tir"][..., :1]
    mask = sequence.mask(frame)
    if mask is not None:
        pixels = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)
        mask = region.cut(pixels, np.zeros(3))[..., 0] >= 128
    return StoredCrop(images, pad_values, mask, region.image_to_crop(box))


class FileStore:
    """A ``TrackStore`` over the image files of sequences; crops are cut when they are read.

    Sequences without a usable label are left out. Raises ``ValueError`` when none has any.
    """

    def __init__(self, sequences: Iterable[Sequence], geometry: StoreConfig, every: int = 1):
        self.geometry = geometry
        sequences = list(sequences)
        pairs = [(sequence, make_track(sequence, geometry, every)) for sequence in sequences]
        self._sequences = [sequence for sequence, track in pairs if len(track)]
        self.tracks: list[Track] = [track for _, track in pairs if len(track)]
        if not self.tracks:
            raise ValueError(
                f"none of {len(sequences)} sequences has a labelled target: nothing to train on"
            )

    def read(self, track: int, position: int) -> StoredCrop:
        """Decode both images of a frame and cut them; errors name the file."""
        frame = int(self.tracks[track].frames[position])
        return cut_crop(self._sequences[track], frame, self.geometry)
