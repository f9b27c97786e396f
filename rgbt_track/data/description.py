"""Data sets as data: a small YAML says how one is laid out, ``data/open.py`` reads it.

Sets of this field differ in folders, suffixes, box formats, per-modality boxes and the marks of
absent targets, and in nothing that needs code. Shipped descriptions are loaded by name; a user's
own videos are read by the path of a YAML with the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from rgbt_track.config.bounds import check_bounds
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.resources import check_choice, find_yaml

_MAX_FRAMES = 10**9


@dataclass(frozen=True)
class SplitDescription:
    """A part of a data set: by the release's list files if they are there, else by folder.

    ``lists`` are patterns below the root.
    """

    name: str
    lists: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    sequences: int | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        for pattern in self.lists:
            if not pattern or PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
                raise ValueError(f"lists has {pattern!r}; expected a name below the root")


@dataclass(frozen=True)
class KnownFault:
    """An error in the release itself: reported as a note, never repaired silently."""

    file: str
    note: str
    row: int | None = None


@dataclass(frozen=True)
class DatasetDescription:
    """How a data set is laid out on disk; every field is a key of its YAML.

    ``layout`` is ``sequences`` (a folder per sequence that holds the folders ``rgb`` and ``tir``),
    ``stills`` (images of the same stem in the folders ``rgb`` and ``tir``), ``vot`` (a file
    ``sequence`` names the channels) or ``video`` (``rgb`` and ``tir`` are patterns of video files,
    ``boxes`` of a label file per target: see ``layouts/videos.py``). ``boxes``, ``boxes_tir`` and
    ``absent_file`` name files in a sequence's folder, the first that exists counts; for stills, a
    folder of text files or one ``.json``. Where no boxes are named, ``masks`` give them.
    ``box_format`` is that of four columns; eight are always corners. ``first_pixel`` is what the
    set calls the first pixel; frame ``label_first + k * label_every`` belongs to row ``k``.
    ``absent`` says which rows mean that the target is not there. ``attributes`` is a file
    (``{name}`` stands for the sequence) in the sequence's folder or one above it. ``sequences`` and
    ``frames`` are what a whole copy holds. ``registration`` is a YAML of ``rgbt-track register`` in
    a sequence's folder or one above it, by which thermal frames are warped.
    ``labels: whole_image`` is for stills that one object fills each.
    """

    name: str
    layout: Literal["sequences", "stills", "vot", "video"] = "sequences"
    rgb: str | None = None
    tir: str | None = None
    boxes: tuple[str, ...] = ()
    boxes_tir: tuple[str, ...] = ()
    labels: Literal["required", "optional", "whole_image"] = "required"
    box_format: Literal["xywh", "xyxy"] = "xywh"
    first_pixel: int = 0
    label_first: int = 0
    label_every: int = 1
    absent: Literal["never", "nonpositive", "nan"] = "nonpositive"
    absent_file: str | None = None
    masks: str | None = None
    mask_labels: bool = False
    attributes: str | None = None
    attribute_names: tuple[str, ...] = ()
    registration: str | None = None
    splits: tuple[SplitDescription, ...] = ()
    sequences: int | None = None
    frames: int | None = None
    known_faults: tuple[KnownFault, ...] = ()
    title: str = ""
    source: str = ""
    licence: str = ""
    tree: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.rgb is None and self.tir is None:
            raise ValueError("name at least one of the folders 'rgb' and 'tir'")
        if self.layout == "video":
            for pattern in (self.rgb, self.tir, *self.boxes):
                if pattern and (pattern.count("*") != 1 or set(pattern) & set("?[]")):
                    raise ValueError(f"{pattern!r} needs one '*' and no '?' or '[': see the layout")
        if self.label_every < 1 or self.label_first < 0:
            raise ValueError("label_every must be at least 1 and label_first at least 0")
        check_bounds(
            self,
            label_every=(1, _MAX_FRAMES),
            label_first=(0, _MAX_FRAMES),
            first_pixel=(-1, 1),
            sequences=(0, _MAX_FRAMES),
            frames=(0, _MAX_FRAMES),
        )

    @property
    def labels_every_frame(self) -> bool:
        """Whether a label file has one row per frame, so that its rows count the frames."""
        return self.label_every == 1 and self.label_first == 0

    def split(self, name: str) -> SplitDescription:
        """The split of this name; ``ValueError`` lists those there are."""
        by_name = {split.name: split for split in self.splits}
        check_choice(f"{self.name} has no split", name, by_name)
        return by_name[name]


def load_description(name: str | Path) -> DatasetDescription:
    """Read a shipped description by name, or any by the path of its YAML.

    Raises ``FileNotFoundError`` for an unknown name and ``ValueError``, naming file and key, for
    a key or value that is not part of a description.
    """
    path = find_yaml(name, "datasets")
    try:
        return from_mapping(DatasetDescription, {"name": path.stem, **read_yaml(path)}, str(path))
    except ValueError as error:
        message = str(error)
        raise ValueError(message if str(path) in message else f"{path}: {message}") from None
