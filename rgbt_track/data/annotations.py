"""Annotations of a sequence: boxes, absences and attributes, read from label files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, polygon_to_xywh, xywh_to_xyxy, xyxy_to_xywh
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item
from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.files import read_lines


@dataclass(frozen=True, eq=False)
class Annotation:
    """The annotation of the target of one sequence; no image is needed to read it.

    ``boxes`` (N, 4) are x, y, w, h in pixels of the visible image, as released: NaN rows where a
    frame has no label, and whatever the release writes where ``absent`` (N,) is true.
    ``boxes_tir`` are those of the thermal image where a set labels both.
    """

    boxes: Boxes
    absent: NDArray[np.bool_]
    boxes_tir: Boxes | None = None
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("absent", "boxes_tir"):
            values = getattr(self, field)
            if values is not None and len(values) != len(self.boxes):
                raise ValueError(f"{len(values)} {field} for {len(self.boxes)} boxes")

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N,) whether a frame has a box of positive size that the set does not mark absent."""
        finite = np.isfinite(self.boxes).all(1)
        return finite & ~self.absent & (np.nan_to_num(self.boxes[:, 2:]) > 0).all(1)

    @property
    def digest(self) -> str:
        """16 hex digits of the number of frames, the boxes to 4 decimals, and the absences."""
        boxes = np.where(np.isnan(self.boxes), np.nan, np.round(self.boxes, 4) + 0.0)
        parts = (boxes.astype("<f8").tobytes(), self.absent.astype(bool).tobytes())
        return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def annotate_folder(
    description: DatasetDescription, item: Item, boxes: Boxes | None = None
) -> Annotation:
    """The annotation of a folder of one sequence, by its label files alone.

    ``boxes`` are its boxes if they are already read. Raises ``FileNotFoundError`` where no
    label file is there, and ``ValueError`` for one that cannot be read.
    """
    if boxes is None:
        boxes = read_first_labels(item.folder, description.boxes, description)
    if boxes is None:
        raise no_ground_truth(description, item.folder)
    return Annotation(
        boxes=boxes,
        absent=absent_rows(boxes, item.folder, description),
        boxes_tir=read_first_labels(item.folder, description.boxes_tir, description, len(boxes)),
        attributes=_attributes(description, item),
    )


def no_ground_truth(description: DatasetDescription, folder: Path) -> FileNotFoundError:
    """The error of a folder without any of the label files, or masks, that it should hold."""
    expected = " or ".join(description.boxes) or f"the folder {description.masks}"
    return FileNotFoundError(f"{folder}: no ground truth; expected {expected}")


def read_first_labels(
    folder: Path, files: Iterable[str], description: DatasetDescription, frames: int | None = None
) -> Boxes | None:
    """``read_labels`` of the first of these files that exists; ``None`` where none does."""
    for file in files:
        if (folder / file).is_file():
            return read_labels(folder / file, description, frames)
    return None


def read_labels(path: Path, description: DatasetDescription, frames: int | None = None) -> Boxes:
    """Read one modality's label file into boxes (``frames``, 4), NaN where a frame has none.

    Without ``frames`` there are as many as rows. Raises ``ValueError`` with both numbers when rows
    and frames do not match.
    """
    rows = read_box_rows(path, allow_nan=description.absent == "nan")
    boxes = to_xywh(rows, description)
    frames = len(boxes) if frames is None else frames
    places = description.label_first + description.label_every * np.arange(len(boxes))
    if places[-1] >= frames or (description.labels_every_frame and len(boxes) != frames):
        raise ValueError(
            f"{path}: {len(boxes)} rows for {frames} frames{_label_interval(description)}"
        )
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


def from_xywh(boxes: Boxes, description: DatasetDescription) -> Boxes:
    """Boxes (N, 4) x, y, w, h from pixel 0 -> rows in the set's own format: ``to_xywh``'s inverse,
    for four columns."""
    rows = np.array(boxes, float)
    rows[:, :2] += description.first_pixel
    return xywh_to_xyxy(rows) if description.box_format == "xyxy" else rows


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
        values = parse_json("\n".join(read_lines(path)), path)
        listed = values.get("attributes", []) if isinstance(values, dict) else values
        if not isinstance(listed, list):
            raise ValueError(f"{path}: attributes are {listed!r}; expected a list of names")
        return tuple(map(str, listed))
    flags = _flags(path, len(names))
    return tuple(name for name, flag in zip(names, flags, strict=True) if flag)


def _attributes(description: DatasetDescription, item: Item) -> tuple[str, ...]:
    if not description.attributes:
        return ()
    path = item.look_up(description.attributes.format(name=item.folder.name))
    return read_attributes(path, description.attribute_names) if path else ()


def _flags(path: Path, count: int) -> NDArray[np.bool_]:
    fields = " ".join(read_lines(path)).replace(",", " ").split()
    if len(fields) != count or not set(fields) <= {"0", "1"}:
        raise ValueError(f"{path}: {len(fields)} values; expected {count} of 0 or 1")
    return np.array([field == "1" for field in fields])


def _label_interval(description: DatasetDescription) -> str:
    if description.labels_every_frame:
        return ""
    return f" (every {description.label_every} from frame {description.label_first})"
