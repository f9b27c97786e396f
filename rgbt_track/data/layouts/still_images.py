"""Pairs of still images: every labelled object becomes a sequence of length one.

Images of the two modalities, masks and label files belong together by their stem. Labels are masks
(the largest object), a text file per image (rows ``x,y,w,h``, a class name before them is
ignored), one JSON ``{"image.jpg": [[x, y, w, h], ...]}``, or none where one object fills each
image.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.data.annotations import Annotation, to_xywh
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item
from rgbt_track.data.masks import boxes_from_masks
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.box_files import parse_row
from rgbt_track.io.files import read_lines
from rgbt_track.io.images import list_images, read_tir

Stems = dict[str, Path]
_THREADS = 4


def read_stills(description: DatasetDescription, item: Item) -> list[Sequence]:
    """Read a group of stills, in natural order; an image without an object gives one NaN box.

    Raises ``FileNotFoundError`` or ``ValueError`` naming the first image without its counterpart,
    without its label, or with an unreadable one.
    """
    rgb = _by_stem(item.folder, description.rgb)
    tir = _by_stem(item.folder, description.tir)
    masks = _masks(description, item.folder)
    stems = list(rgb or tir or {})
    for images in (rgb, tir):
        if images is not None:
            _check_same_stems(item.folder, stems, images)
    if description.labels == "whole_image":
        labels = _whole_images(rgb or tir or {})
    else:
        labels = _labels(description, item.folder, stems, masks)
    prefix = "".join(f"{part}-" for part in item.parts)
    sequences = []
    for stem in stems:
        boxes = labels.get(stem, np.full((1, 4), np.nan))
        for number, box in enumerate(boxes, start=1):
            sequences.append(
                Sequence(
                    name=prefix + stem + (f"-{number}" if len(boxes) > 1 else ""),
                    rgb=None if rgb is None else (rgb[stem],),
                    tir=None if tir is None else (tir[stem],),
                    annotation=Annotation(box[None], absent=np.zeros(1, bool)),
                    masks=(masks[stem],) if stem in masks else None,
                    mask_labels=description.mask_labels,
                )
            )
    return sequences


def read_object_rows(path: Path) -> NDArray[np.float64]:
    """The rows of a label file, one per object, without class names: (N, 4), N may be 0."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        first, _, rest = line.partition(",")
        numbers = rest if rest and not _is_number(first) else line
        row = parse_row(numbers, f"{path}: row {number}")
        if len(row) != 4:
            raise ValueError(f"{path}: row {number} has {len(row)} numbers; expected 4")
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, 4)


def _by_stem(folder: Path, name: str | None) -> Stems | None:
    if name is None:
        return None
    files: Stems = {}
    for path in list_images(folder / name):
        if path.stem in files:
            raise ValueError(f"{path}: a second image of this name beside {files[path.stem].name}")
        files[path.stem] = path
    return files


def _masks(description: DatasetDescription, folder: Path) -> Stems:
    if not description.masks:
        return {}
    required = not description.boxes and description.labels == "required"
    if not required and not (folder / description.masks).is_dir():
        return {}
    return _by_stem(folder, description.masks) or {}


def _check_same_stems(folder: Path, stems: list[str], images: Stems) -> None:
    unpaired = sorted(set(stems) ^ set(images))
    if unpaired:
        raise ValueError(
            f"{folder}: {len(unpaired)} images lack their counterpart in the other modality, "
            f"{unpaired[0]!r} the first"
        )


def _labels(
    description: DatasetDescription, folder: Path, stems: list[str], masks: Stems
) -> dict[str, Boxes]:
    for name in description.boxes:
        if (folder / name).is_file():
            return _check_complete(
                description, _json_labels(description, folder / name), stems, name
            )
        if (folder / name).is_dir():
            files = {path.stem: path for path in (folder / name).glob("*.txt")}
            boxes_by_stem = {
                stem: to_xywh(read_object_rows(files[stem]), description)
                for stem in stems
                if stem in files
            }
            return _check_complete(description, boxes_by_stem, stems, str(folder / name))
    if not description.boxes and description.masks:
        paths = [masks[stem] for stem in stems if stem in masks]
        boxes = boxes_from_masks(paths)
        boxes_by_stem = {path.stem: box[None] for path, box in zip(paths, boxes, strict=True)}
        return _check_complete(description, boxes_by_stem, stems, str(folder / description.masks))
    if description.boxes and description.labels == "required":
        raise FileNotFoundError(f"{folder}: no labels; expected {' or '.join(description.boxes)}")
    return {}


def _whole_images(images: Stems) -> dict[str, Boxes]:
    with ThreadPoolExecutor(_THREADS) as pool:
        shapes = pool.map(lambda path: read_tir(path).shape, images.values())
        return {
            stem: np.array([[0, 0, shape[1], shape[0]]], float)
            for stem, shape in zip(images, shapes, strict=True)
        }


def _check_complete(
    description: DatasetDescription, labels: dict[str, Boxes], stems: list[str], where: str
) -> dict[str, Boxes]:
    missing = [stem for stem in stems if stem not in labels]
    if missing and description.labels == "required":
        raise FileNotFoundError(
            f"{where}: no label for {len(missing)} of {len(stems)} images, {missing[0]!r} the first"
        )
    return {stem: boxes for stem, boxes in labels.items() if len(boxes)}


def _json_labels(description: DatasetDescription, path: Path) -> dict[str, Boxes]:
    try:
        values = parse_json("\n".join(read_lines(path)), path)
        boxes = {
            Path(name).stem: np.array(rows, float).reshape(-1, 4) for name, rows in values.items()
        }
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f'{path}: expected {{"image.jpg": [[x, y, w, h], ...], ...}}') from None
    for name, rows in boxes.items():
        finite = np.isfinite(rows).all(1)
        if not finite.all():
            row = int(np.argmin(finite))
            values = ", ".join(f"{value:g}" for value in rows[row])
            raise ValueError(f"{path}: {name}: row {row + 1}: not a finite box: {values}")
    return {name: to_xywh(rows, description) for name, rows in boxes.items()}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
