"""Look-up of experiments; the key ``task`` of a YAML is tracking or image_fusion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.resources import find_yaml, names

_PYSOT_SECTIONS = {"BACKBONE", "RPN"}

Task = Literal["tracking", "image_fusion"]


def read_task(path: Path) -> str:
    """The ``task`` of an experiment's YAML; without one it is a tracker's.

    Raises ``ValueError`` in one line for a file that is no YAML.
    """
    return str(read_yaml(path).get("task", "tracking"))


def is_pysot_config(values: Mapping[str, Any]) -> bool:
    """Whether a YAML mapping is pysot's and not ours: pysot's sections are in capitals."""
    return "META_ARC" in values or set(values) >= _PYSOT_SECTIONS


def experiment_names(task: Task) -> list[str]:
    """The names of the shipped experiments of a task, sorted."""
    return names("experiments", lambda path: read_task(path) == task)


def find_experiment(name: str | Path, task: Task | None = None) -> Path:
    """The YAML of a shipped experiment by name, or of any by path.

    ``FileNotFoundError`` names the shipped ones of ``task``; the file itself may be of another.
    """
    return find_yaml(name, "experiments", lambda path: task is None or read_task(path) == task)
