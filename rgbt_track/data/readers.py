"""From a found folder to ``Sequence``s, by the description's layout.

Frames of the two modalities are paired by their order in a sequence, because releases number them
differently.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rgbt_track.boxes import Boxes
from rgbt_track.data.annotations import absent_rows, read_attributes, read_labels
from rgbt_track.data.discovery import Item
from rgbt_track.data.masks import boxes_from_masks
from rgbt_track.data.sequence import Sequence
from rgbt_track.data.still_images import read_stills
from rgbt_track.data.vot_layout import read_vot_folder
from rgbt_track.io.images import list_images

if TYPE_CHECKING:
    from rgbt_track.data.description import DatasetDescription

Files = tuple[Path, ...]


def read_item(description: DatasetDescription, item: Item) -> list[Sequence]:
    """Read one found folder: one sequence, or a sequence of length one per labelled still."""
    if description.layout == "stills":
        return read_stills(description, item)
    if description.layout == "vot":
        return [read_vot_folder(description, item)]
    return [read_sequence_folder(description, item)]


def read_sequence_folder(description: DatasetDescription, item: Item) -> Sequence:
    """Read a folder of frames with its label files.

    Raises ``FileNotFoundError`` or ``ValueError`` for missing frames or ground truth, and for
    modalities, labels or masks of different lengths.
    """
    rgb, tir = (_frames(item.folder, name) for name in (description.rgb, description.tir))
    if rgb and tir and len(rgb) != len(tir):
        raise ValueError(
            f"{item.folder}: {len(rgb)} images in {description.rgb} but {len(tir)} in "
            f"{description.tir}; frames are paired by their order and must be as many"
        )
    count = len(rgb or tir or ())
    masks = _masks(description, item.folder, count)
    boxes = _target_boxes(description, item.folder, count, masks)
    return Sequence(
        name=item.name,
        rgb=rgb,
        tir=tir,
        boxes=boxes,
        absent=absent_rows(boxes, item.folder, description),
        boxes_tir=_read_first(item.folder, description.boxes_tir, description, count),
        attributes=_attributes(description, item),
        masks=masks,
        mask_labels=description.mask_labels,
    )


def _frames(folder: Path, name: str | None) -> Files | None:
    return tuple(list_images(folder / name)) if name else None


def _masks(description: DatasetDescription, folder: Path, count: int) -> Files | None:
    if not description.masks or not (folder / description.masks).is_dir():
        return None
    masks = tuple(list_images(folder / description.masks))
    if len(masks) != count:
        raise ValueError(f"{folder / description.masks}: {len(masks)} masks for {count} frames")
    return masks


def _target_boxes(
    description: DatasetDescription, folder: Path, count: int, masks: Files | None
) -> Boxes:
    boxes = _read_first(folder, description.boxes, description, count)
    if boxes is not None:
        return boxes
    if masks and not description.boxes:
        return boxes_from_masks(masks)
    if description.labels == "required":
        expected = " or ".join(description.boxes) or f"the folder {description.masks}"
        raise FileNotFoundError(f"{folder}: no ground truth; expected {expected}")
    return np.full((count, 4), np.nan)


def _read_first(
    folder: Path, files: tuple[str, ...], description: DatasetDescription, count: int
) -> Boxes | None:
    for file in files:
        if (folder / file).is_file():
            return read_labels(folder / file, description, count)
    return None


def _attributes(description: DatasetDescription, item: Item) -> tuple[str, ...]:
    if not description.attributes:
        return ()
    path = item.look_up(description.attributes.format(name=item.folder.name))
    return read_attributes(path, description.attribute_names) if path else ()
