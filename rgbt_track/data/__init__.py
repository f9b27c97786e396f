"""Data sets as descriptions, synthetic scenes and pseudo-thermal images."""

from __future__ import annotations

from rgbt_track.data.description import DatasetDescription, load_description
from rgbt_track.data.open import open_dataset
from rgbt_track.data.sequence import Sequence

__all__ = ["DatasetDescription", "Sequence", "load_description", "open_dataset"]
