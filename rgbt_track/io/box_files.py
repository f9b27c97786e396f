"""Text files of boxes, one row per frame: ground truth and tracker results share this parser.

Released files are separated by commas, tabs, semicolons or blanks, hold integers, decimals or
scientific notation, four numbers (a box) or eight (four corners), and end with or without blank
lines. Everything else is rejected by file and row (counted from 1), because a row that is silently
dropped shifts every later frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgbt_track.io.files import read_lines, write_text

_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")


def read_box_rows(
    path: str | Path, *, allow_nan: bool = False, columns: Collection[int] = (4, 8)
) -> NDArray[np.float64]:
    """Read a box file into an array ``(N, 4)`` or ``(N, 8)``, rows and columns as in the file.

    No format is converted here. ``allow_nan`` lets ``nan`` stand for a frame without a box;
    infinite values never pass. Raises ``FileNotFoundError`` for a missing file and ``ValueError``,
    naming file and row, for text, NaN, an empty row before the end, another number of columns than
    ``columns``, columns that change within the file, and a file without rows.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(read_lines(path), start=1):
        row = parse_row(line, f"{path}: row {number}", allow_nan)
        if len(row) not in columns:
            valid = " or ".join(map(str, sorted(columns)))
            raise ValueError(f"{path}: row {number} has {len(row)} columns; expected {valid}")
        if rows and len(row) != len(rows[0]):
            raise ValueError(
                f"{path}: row {number} has {len(row)} columns where row 1 has {len(rows[0])}"
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{path}: no rows; expected one box per frame")
    return np.array(rows, np.float64)


def write_boxes(path: str | Path, boxes: ArrayLike, decimals: int = 2) -> None:
    """Write boxes ``(N, 4)`` or corners ``(N, 8)`` as comma-separated rows, atomically.

    Frames without a box may be rows of NaN. Raises ``ValueError`` for another shape or an infinite
    value.
    """
    boxes = np.asarray(boxes, float)
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 8):
        raise ValueError(f"{path}: cannot write boxes of shape {boxes.shape}; expected (N, 4|8)")
    if np.isinf(boxes).any():
        raise ValueError(f"{path}: row {np.isinf(boxes).any(1).argmax() + 1} is infinite")
    lines = [",".join(f"{value:.{decimals}f}" for value in row) for row in boxes]
    write_text(path, "\n".join(lines) + "\n")


def parse_row(line: str, where: str, allow_nan: bool = False) -> list[float]:
    """The numbers of one line; ``ValueError`` beginning with ``where`` for anything else."""
    fields = _SEPARATOR.split(line.rstrip(",; \t"))
    try:
        row = [float(field) for field in fields]
    except ValueError:
        raise ValueError(f"{where}: not numbers: {line[:60]!r}") from None
    if not all(math.isfinite(value) or (allow_nan and math.isnan(value)) for value in row):
        raise ValueError(f"{where}: not a finite box: {line[:60]!r}")
    return row
