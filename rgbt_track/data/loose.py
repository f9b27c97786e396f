"""Crops cut from loose image files as they are needed: no packing, but every frame is decoded."""

from __future__ import annotations

from collections.abc import Iterable

from rgbt_track.data.sequence import Sequence
from rgbt_track.data.tracks import StoredCrop, Track, cut_crop, track_of
from rgbt_track.training.config import StoreConfig


class LooseStore:
    """A ``TrackStore`` over sequences as they lie on disk.

    Sequences without a usable label are left out. Raises ``ValueError`` when none has any.
    """

    def __init__(self, sequences: Iterable[Sequence], geometry: StoreConfig, every: int = 1):
        self.geometry = geometry
        sequences = list(sequences)
        pairs = [(sequence, track_of(sequence, geometry, every)) for sequence in sequences]
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
