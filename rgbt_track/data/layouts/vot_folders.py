"""The VOT toolkit's sequence folders: a ``sequence`` file names the channels and the ground truth.

Regions are rectangles, polygons, masks (run lengths) or a single special code for a frame without
a region; each becomes its enclosing box. Format after the toolkit's documentation; frames are
numbered from 1 and, as there, ground truth may stop before the frames do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, polygon_to_xywh
from rgbt_track.data.annotations import Annotation
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item
from rgbt_track.data.masks import mask_extent
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.box_files import parse_row
from rgbt_track.io.files import read_lines

Files = tuple[Path, ...]


def read_vot_folder(description: DatasetDescription, item: Item) -> Sequence:
    """Read one VOT sequence; ``rgb`` and ``tir`` of the description are the channels' names.

    Raises ``ValueError`` or ``FileNotFoundError`` for a channel that is not named or has no
    frames, channels of different lengths, and regions that are no region or too many.
    """
    properties = _properties(item.folder / "sequence")
    rgb = _channel(item.folder, properties, description.rgb)
    tir = _channel(item.folder, properties, description.tir)
    if rgb and tir and len(rgb) != len(tir):
        raise ValueError(
            f"{item.folder}: {len(rgb)} images in channel {description.rgb} but {len(tir)} in "
            f"{description.tir}"
        )
    count = len(rgb or tir or ())
    path = item.folder / properties.get("groundtruth", "groundtruth.txt")
    regions = [
        region_box(line, f"{path}: row {number}")
        for number, line in enumerate(read_lines(path), start=1)
    ]
    if not 0 < len(regions) <= count:
        raise ValueError(f"{path}: {len(regions)} rows for {count} frames")
    boxes = np.full((count, 4), np.nan)
    boxes[: len(regions)] = regions
    absent = np.isnan(boxes).any(1)
    absent[len(regions) :] = False
    annotation = Annotation(boxes, absent, attributes=_tags(item.folder))
    return Sequence(item.name, rgb, tir, annotation)


def region_box(line: str, where: str) -> Boxes:
    """One line of VOT ground truth -> box x, y, w, h; NaN for a special code or an empty mask.

    Raises ``ValueError`` beginning with ``where`` for anything that is no region.
    """
    if line.startswith("m"):
        return _mask_box(line[1:], where)
    numbers = parse_row(line, where, allow_nan=True)
    if len(numbers) == 1 or np.isnan(numbers).any():
        return np.full(4, np.nan)
    if len(numbers) == 4:
        return np.array(numbers)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return polygon_to_xywh(numbers)
    raise ValueError(f"{where}: {len(numbers)} numbers; expected a rectangle, polygon or mask")


def _mask_box(text: str, where: str) -> Boxes:
    numbers = [int(value) for value in parse_row(text, where)]
    if len(numbers) < 5 or min(numbers[2:]) < 0:
        raise ValueError(f"{where}: a mask is m, then x, y, width, height and run lengths")
    left, top, width, height, *runs = numbers
    values = np.arange(len(runs)) % 2 == 1
    pixels = np.repeat(values, runs)
    if len(pixels) > width * height:
        raise ValueError(f"{where}: {len(pixels)} mask pixels for {width}x{height}")
    mask: NDArray[np.bool_] = np.zeros(width * height, bool)
    mask[: len(pixels)] = pixels
    return mask_extent(mask.reshape(height, width)) + np.array([left, top, 0, 0])


def _properties(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in read_lines(path) if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _channel(folder: Path, properties: dict[str, str], name: str | None) -> Files | None:
    if name is None:
        return None
    pattern = properties.get(f"channels.{name}")
    if pattern is None:
        raise ValueError(f"{folder / 'sequence'}: no line 'channels.{name}=...'")
    if not Path(pattern).suffix:
        pattern = f"{pattern}/%08d.jpg"
    length = properties.get("length", "")
    if length.isdecimal():
        return tuple(folder / (pattern % number) for number in range(1, int(length) + 1))
    frames: list[Path] = []
    while (path := folder / (pattern % (len(frames) + 1))).is_file():
        frames.append(path)
    if not frames:
        raise FileNotFoundError(f"{folder}: no frames of channel {name}: {pattern % 1} is missing")
    return tuple(frames)


def _tags(folder: Path) -> tuple[str, ...]:
    files = sorted([*folder.glob("*.tag"), *folder.glob("*.label")])
    return tuple(path.stem for path in files if "1" in read_lines(path))
