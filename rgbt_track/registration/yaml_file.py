"""Registrations as YAML files: the matrix, the sizes it was found on, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.io.files import write_text
from rgbt_track.registration.model import Registration

_HEAD = "# Thermal to visible pixels (x, y, 1), made by rgbt-track register.\n"


@dataclass(frozen=True)
class _Values:
    """The keys of the file."""

    matrix: tuple[tuple[float, ...], ...]
    rgb_size: tuple[int, ...]
    tir_size: tuple[int, ...]
    method: str = "points"
    residual: float | None = None


def save_registration(path: str | Path, registration: Registration) -> None:
    """Write a registration, whole or not at all."""
    rows = "".join(
        f"  - {yaml.safe_dump(row, default_flow_style=True, width=200)}"
        for row in registration.matrix.tolist()
    )
    text = f"{_HEAD}matrix:\n{rows}"
    for key in ("rgb_size", "tir_size"):
        text += f"{key}: [{', '.join(map(str, getattr(registration, key)))}]\n"
    text += f"method: {registration.method}\n"
    if registration.residual is not None:
        text += f"residual: {registration.residual:.3f}  # pixels of the visible frame\n"
    write_text(path, text)


def load_registration(path: str | Path) -> Registration:
    """Read a registration.

    Raises ``FileNotFoundError``, and ``ValueError``, naming the file, for another content.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such registration: {path}; make one: rgbt-track register")
    values = from_mapping(_Values, read_yaml(path), str(path))
    is_shaped = len(values.matrix) == 3 and all(len(row) == 3 for row in values.matrix)
    sizes = values.rgb_size, values.tir_size
    if not is_shaped or any(len(size) != 2 or min(size) < 1 for size in sizes):
        raise ValueError(f"{path}: expected a matrix of 3 rows of 3 numbers, and two sizes W, H")
    try:
        return Registration(
            np.array(values.matrix, float), sizes[0][:2], sizes[1][:2],  # type: ignore[arg-type]
            values.method, values.residual,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
