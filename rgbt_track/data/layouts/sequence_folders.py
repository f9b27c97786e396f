"""The layout ``sequences``: a folder per sequence, with folders of frames and label files.

Frames of the two modalities are paired by their order in a sequence, because releases number them
differently.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rgbt_track.boxes import Boxes
from rgbt_track.data.annotations import annotate_folder, no_ground_truth, read_first_labels
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item
from rgbt_track.data.masks import boxes_from_masks
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.images import list_images

Files = tuple[Path, ...]


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
        annotation=annotate_folder(description, item, boxes),
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
    boxes = read_first_labels(folder, description.boxes, description, count)
    if boxes is not None:
        return boxes
    if masks and not description.boxes:
        return boxes_from_masks(masks)
    if description.labels == "required":
        raise no_ground_truth(description, folder)
    return np.full((count, 4), np.nan)
