"""The metrics of a run in one CSV file that survives a resume: ``step,name,value``, a line each.

Lightning's CSV logger empties its folder when a run is resumed in it, and rewrites the whole file
when a new metric appears. Here lines are only appended; a resume first drops the lines after its
checkpoint, so that the file is that of an uninterrupted run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from rgbt_track.io.files import write_text

_HEAD = "step,name,value\n"


class MetricsFile(Logger):
    """A Trainer's logger that appends to ``path``."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return self.path.parent.name

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line per metric."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.is_file()
        with self.path.open("a", encoding="utf-8") as file:
            if is_new:
                file.write(_HEAD)
            for name, value in metrics.items():
                if name != "epoch":
                    file.write(f"{step},{name},{value!r}\n")

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run folder keeps ``config.yaml``."""


def cut_metrics(path: Path, step: int) -> None:
    """Drop the lines of ``step`` and of later steps, and a line that is incomplete."""
    if not path.is_file():
        return
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
        if line.endswith("\n") and int(line.split(",", 1)[0]) < step
    ]
    write_text(path, _HEAD + "".join(lines))
