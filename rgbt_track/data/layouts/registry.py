"""The layouts of data sets: how each is recognized on disk and read into ``Sequence``s.

A new layout is an entry of ``LAYOUTS`` and a reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rgbt_track.data.annotations import Annotation, annotate_folder
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item
from rgbt_track.data.layouts.sequence_folders import read_sequence_folder
from rgbt_track.data.layouts.still_images import read_stills
from rgbt_track.data.layouts.videos import read_videos, video_patterns
from rgbt_track.data.layouts.vot_folders import read_vot_folder
from rgbt_track.data.sequence import Sequence


class Layout(NamedTuple):
    """How the data sets of one layout lie on disk.

    Args:
        markers: files or folders, or patterns of them, of which any one makes a folder part of the
            data set.
        tree: what a whole folder holds, for errors.
        read: the sequences of a data folder.
        annotate: the annotation of a data folder that may lack its frames; ``None`` where label
            files alone do not tell the sequences.
        one_sequence: whether a data folder is one sequence, under the folder's own name.
    """

    markers: Callable[[DatasetDescription], tuple[str, ...]]
    tree: Callable[[DatasetDescription], tuple[str, ...]]
    read: Callable[[DatasetDescription, Item], list[Sequence]]
    annotate: Callable[[DatasetDescription, Item], Annotation] | None = None
    one_sequence: bool = True


def _frame_folders(description: DatasetDescription) -> tuple[str, ...]:
    # One of the folders is enough: an incomplete pair has to be listed to be reported.
    return tuple(folder for folder in (description.rgb, description.tir) if folder)


LAYOUTS: dict[str, Layout] = {
    "sequences": Layout(
        markers=_frame_folders,
        tree=lambda description: tuple(
            f"<sequence>/{part}" for part in (*_frame_folders(description), *description.boxes[:1])
        ),
        read=lambda description, item: [read_sequence_folder(description, item)],
        annotate=annotate_folder,
    ),
    "stills": Layout(
        markers=_frame_folders, tree=_frame_folders, read=read_stills, one_sequence=False
    ),
    "vot": Layout(
        markers=lambda description: ("sequence",),
        tree=lambda description: ("<sequence>/sequence",),
        read=lambda description, item: [read_vot_folder(description, item)],
    ),
    "video": Layout(
        markers=video_patterns, tree=video_patterns, read=read_videos, one_sequence=False
    ),
}
