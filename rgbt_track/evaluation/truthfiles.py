"""Ground truth without the images: enough to score other people's result files.

A copy of a data set that holds nothing but its label files can be scored, not run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.data.annotations import absent_rows, read_attributes, read_labels
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item, split_items
from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.images import natural_key

_DEPTH = 4


@dataclass(frozen=True, eq=False)
class Labels:
    """What a ``Sequence`` knows about its target, without any frame."""

    name: str
    boxes: NDArray[np.floating]
    absent: NDArray[np.bool_]
    boxes_tir: NDArray[np.floating] | None = None
    attributes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)


def open_labels(description: DatasetDescription, root: Path, split: str | None) -> list[Labels]:
    """Read the label files under ``root``; sequences are the folders that hold one.

    Raises ``FileNotFoundError`` where there is none, and where a label does not belong to every
    frame, so that the images are needed to count them; ``ValueError`` for a bad file or split.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no such folder: {root}; --root is where {description.name} lies")
    if description.layout != "sequences" or description.label_every > 1 or description.label_first:
        raise FileNotFoundError(
            f"{root}: no images of {description.name}; its labels alone do not tell the frames"
        )
    folders = list(_search(root, description.boxes, _DEPTH))
    if not folders:
        raise FileNotFoundError(
            f"{root}: neither images nor ground truth of {description.name}; "
            f"expected {description.tree or '<sequence>/' + ' or '.join(description.boxes)}"
        )
    items = [Item(folder.name, folder, folder.relative_to(root).parts) for folder in folders]
    items.sort(key=lambda item: natural_key(item.name))
    if split is not None:
        items = split_items(description.split(split), root, items)
    return [_read(description, item) for item in items]


def _search(folder: Path, files: tuple[str, ...], depth: int) -> Iterator[Path]:
    if any((folder / file).is_file() for file in files):
        yield folder
    elif depth:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
        for name in sorted(names):
            yield from _search(folder / name, files, depth - 1)


def _read(description: DatasetDescription, item: Item) -> Labels:
    visible = item.folder / _first(item.folder, description.boxes)
    frames = len(read_box_rows(visible, allow_nan=description.absent == "nan"))
    boxes = read_labels(visible, description, frames)
    infrared = _first(item.folder, description.boxes_tir)
    attributes = None
    if description.attributes:
        attributes = item.look_up(description.attributes.format(name=item.folder.name))
    return Labels(
        name=item.name,
        boxes=boxes,
        absent=absent_rows(boxes, item.folder, description),
        boxes_tir=read_labels(item.folder / infrared, description, frames) if infrared else None,
        attributes=read_attributes(attributes, description.attribute_names) if attributes else (),
    )


def _first(folder: Path, files: tuple[str, ...]) -> str:
    return next((file for file in files if (folder / file).is_file()), "")
