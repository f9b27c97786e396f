"""Opening a described data set: its sequences, or only their annotations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rgbt_track.data.annotations import Annotation
from rgbt_track.data.description import DatasetDescription, load_description
from rgbt_track.data.discovery import Item, find_items, search_folders, select_items, split_items
from rgbt_track.data.layouts.registry import LAYOUTS
from rgbt_track.data.sequence import Sequence
from rgbt_track.registration.model import Registration
from rgbt_track.registration.yaml_file import load_registration


def open_dataset(
    name: str | Path,
    root: str | Path,
    split: str | None = None,
    sequences: Collection[str] | None = None,
    registration: Registration | None = None,
) -> list[Sequence]:
    """Find and read the sequences of a data set, in natural order of their names.

    ``name`` is a shipped description or the path of one; ``root`` is where the user put the set.
    ``split`` and ``sequences`` (names) select a part. ``registration``, or the file that the
    description names, warps the thermal frames. No image is read, except masks that have to
    give the boxes. Raises ``FileNotFoundError`` or ``ValueError`` in one line for a missing root,
    a tree of another shape, frames and labels that do not match, and unreadable labels.
    """
    description, root = load_description(name), Path(root)
    layout = LAYOUTS[description.layout]
    items = open_items(description, root, split)
    if layout.one_sequence:
        items = select_items(items, sequences, root)
        sequences = None
    all_sequences = []
    for item in items:
        cameras = registration or _registration(description, item)
        for sequence in layout.read(description, item):
            all_sequences.append(replace(sequence, registration=cameras) if cameras else sequence)
    return select_items(all_sequences, sequences, root)


def _registration(description: DatasetDescription, item: Item) -> Registration | None:
    if description.registration is None:
        return None
    path = item.look_up(description.registration)
    if path is None:
        raise FileNotFoundError(f"{item.folder}: no {description.registration} there or above")
    return load_registration(path)


def open_unlabelled(
    name: str | Path, root: str | Path, sequences: Collection[str] | None = None
) -> tuple[DatasetDescription, list[Sequence]]:
    """The videos, or the folders of frames, of a data set as whole sequences without boxes.

    Labels are neither needed nor read. Returns the description as it is, too. Raises as
    ``open_dataset``, and ``ValueError`` for a set of stills or in the VOT toolkit's layout.
    """
    description = load_description(name)
    if description.layout not in ("video", "sequences"):
        raise ValueError(
            f"{description.name} has the layout {description.layout!r}; video without labels is of "
            "the layout 'video' or 'sequences'"
        )
    bare = replace(
        description, boxes=(), boxes_tir=(), labels="optional", masks=None, absent_file=None
    )
    items = open_items(bare, Path(root))
    found = [sequence for item in items for sequence in LAYOUTS[bare.layout].read(bare, item)]
    return description, select_items(found, sequences, Path(root))


def open_items(description: DatasetDescription, root: Path, split: str | None = None) -> list[Item]:
    """The folders that hold the sequences (or groups of stills) of a data set, or of a split.

    Raises ``FileNotFoundError`` when the root is missing or holds nothing of the expected shape,
    and as ``split_items``.
    """
    layout = LAYOUTS[description.layout]
    items = find_items(_checked_root(description, root), layout.markers(description))
    if not items:
        tree = " ".join(description.tree.split()) or " ".join(layout.tree(description))
        raise FileNotFoundError(f"{root}: nothing of {description.name} found; expected {tree}")
    return items if split is None else split_items(description.split(split), root, items)


def open_annotations(
    name: str | Path,
    root: str | Path,
    split: str | None = None,
    sequences: Collection[str] | None = None,
) -> dict[str, Annotation]:
    """Name -> annotation of a data set's sequences, from label files alone: no frame is needed.

    Arguments as for ``open_dataset``; a sequence is a folder that holds a label file. Raises
    ``FileNotFoundError`` where there is none, and where a label does not belong to every frame, so
    that the images are needed to count them; ``ValueError`` for a bad file or split.
    """
    description, root = load_description(name), Path(root)
    annotate = LAYOUTS[description.layout].annotate
    _checked_root(description, root)
    if annotate is None or not description.labels_every_frame:
        raise FileNotFoundError(
            f"{root}: no images of {description.name}; its labels alone do not tell the frames"
        )
    items = find_items(root, description.boxes)
    if not items:
        raise FileNotFoundError(
            f"{root}: neither images nor ground truth of {description.name}; "
            f"expected {description.tree or '<sequence>/' + ' or '.join(description.boxes)}"
        )
    if split is not None:
        items = split_items(description.split(split), root, items)
    return {item.name: annotate(description, item) for item in select_items(items, sequences, root)}


def has_frames(description: DatasetDescription, root: Path) -> bool:
    """Whether there is a folder of frames anywhere under ``root``."""
    markers = LAYOUTS[description.layout].markers(description)
    return root.is_dir() and any(True for _ in search_folders(root, markers))


def _checked_root(description: DatasetDescription, root: Path) -> Path:
    if not root.is_dir():
        raise FileNotFoundError(f"no such folder: {root}; --root is where {description.name} lies")
    return root
