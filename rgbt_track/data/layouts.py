"""The three ways data sets lie on disk -> ``Sequence``s: folders of frames, stills, and VOT's.

Frames of the two modalities are paired by their order in a sequence (releases number them
differently) and by their stem among stills.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rgbt_track.boxes import Boxes
from rgbt_track.data.find import Item, list_images
from rgbt_track.data.labels import absent_rows, read_attributes, read_labels
from rgbt_track.data.sequence import Sequence

if TYPE_CHECKING:
    from rgbt_track.data.description import DatasetDescription

Files = tuple[Path, ...]


def read_item(description: DatasetDescription, item: Item) -> list[Sequence]:
    """Read one found folder: one sequence, or a sequence of length one per labelled still."""
    if description.layout == "sequences":
        return [read_sequence_folder(description, item)]
    raise NotImplementedError(description.layout)


def read_sequence_folder(description: DatasetDescription, item: Item) -> Sequence:
    """Read a folder of frames with its label files."""
    rgb = _frames(item.folder, description.rgb)
    tir = _frames(item.folder, description.tir)
    if rgb and tir and len(rgb) != len(tir):
        raise ValueError(
            f"{item.folder}: {len(rgb)} images in {description.rgb} but {len(tir)} in "
            f"{description.tir}; frames are paired by their order and must be as many"
        )
    count = len(rgb or tir or ())
    boxes = _boxes(item.folder, description.boxes, description, count)
    boxes_tir = _boxes(item.folder, description.boxes_tir, description, count)
    if boxes is None:
        if description.boxes and description.labels == "required":
            raise FileNotFoundError(
                f"{item.folder}: no ground truth; expected {' or '.join(description.boxes)}"
            )
        boxes = np.full((count, 4), np.nan)
    masks = None
    if description.masks and (item.folder / description.masks).is_dir():
        masks = tuple(list_images(item.folder / description.masks))
    attributes: tuple[str, ...] = ()
    if description.attributes:
        path = item.folder / description.attributes.format(name=item.folder.name)
        attributes = read_attributes(path, description.attribute_names)
    return Sequence(
        name=item.name,
        rgb=rgb,
        tir=tir,
        boxes=boxes,
        absent=absent_rows(boxes, item.folder, description),
        boxes_tir=boxes_tir,
        attributes=attributes,
        masks=masks,
        mask_labels=description.mask_labels,
    )


def _frames(folder: Path, name: str | None) -> Files | None:
    return tuple(list_images(folder / name)) if name else None


def _boxes(
    folder: Path, files: tuple[str, ...], description: DatasetDescription, count: int
) -> Boxes | None:
    for file in files:
        if (folder / file).is_file():
            return read_labels(folder / file, description, count)
    return None
