"""From the rows of a label file to one box x, y, w, h per frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, polygon_to_xywh, xyxy_to_xywh
from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.files import read_lines

if TYPE_CHECKING:
    from rgbt_track.data.description import DatasetDescription


def read_labels(path: Path, description: DatasetDescription, frames: int) -> Boxes:
    """Read one modality's label file into boxes (``frames``, 4), NaN where a frame has none.

    Raises ``ValueError`` with both numbers when rows and frames do not match.
    """
    rows = read_box_rows(path, allow_nan=description.absent == "nan")
    boxes = to_xywh(rows, description)
    places = description.label_first + description.label_every * np.arange(len(boxes))
    sparse = description.label_every > 1 or description.label_first > 0
    if places[-1] >= frames or (not sparse and len(boxes) != frames):
        raise ValueError(f"{path}: {len(boxes)} rows for {frames} frames{_rhythm(description)}")
    result = np.full((frames, 4), np.nan)
    result[places] = boxes
    return result


def to_xywh(rows: NDArray[np.float64], description: DatasetDescription) -> Boxes:
    """Rows (N, 4|8) in the set's own format -> boxes (N, 4) x, y, w, h from pixel 0."""
    if rows.shape[1] == 8:
        boxes = polygon_to_xywh(rows)
    else:
        boxes = xyxy_to_xywh(rows) if description.box_format == "xyxy" else rows.copy()
    boxes[:, :2] -= description.first_pixel
    return boxes


def absent_rows(boxes: Boxes, folder: Path, description: DatasetDescription) -> NDArray[np.bool_]:
    """(N,) whether the set says that the target is not there.

    By its absence file (a 0 or 1 per frame with line ends, blanks or commas between), else by the
    rule ``absent`` on the boxes. A frame that is merely unlabelled is not absent.
    """
    if description.absent_file and (folder / description.absent_file).is_file():
        return _flags(folder / description.absent_file, len(boxes))
    if description.absent == "nonpositive":
        return np.any(np.nan_to_num(boxes[:, 2:], nan=1.0) <= 0, axis=1)
    if description.absent == "nan":
        labelled = np.zeros(len(boxes), bool)
        labelled[description.label_first :: description.label_every] = True
        return labelled & np.isnan(boxes).any(1)
    return np.zeros(len(boxes), bool)


def read_attributes(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes of a sequence: a JSON list of names, or 0/1 flags in the order ``names``."""
    if path.suffix == ".json":
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"{path}: not a JSON file") from None
        return tuple(map(str, values.get("attributes", []) if isinstance(values, dict) else values))
    flags = _flags(path, len(names))
    return tuple(name for name, flag in zip(names, flags, strict=True) if flag)


def _flags(path: Path, count: int) -> NDArray[np.bool_]:
    fields = " ".join(read_lines(path)).replace(",", " ").split()
    if len(fields) != count or not set(fields) <= {"0", "1"}:
        raise ValueError(f"{path}: {len(fields)} values; expected {count} of 0 or 1")
    return np.array([field == "1" for field in fields])


def _rhythm(description: DatasetDescription) -> str:
    if description.label_every == 1 and description.label_first == 0:
        return ""
    return f" (every {description.label_every} from frame {description.label_first})"
