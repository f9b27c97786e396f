"""Training runs below a folder: how far they came, how good they are, in what they differ.

Read from the files of each run's folder; nothing of a run is executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rgbt_track.config.run_files import CONFIG, METRICS, RECORD, WEIGHTS, is_run
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.io.tables import Table
from rgbt_track.training.metrics_reading import Curves, read_metrics

_NOT_COMPARED = ("name", "note", "weights")
_SHOWN = 40  # characters of a setting's value


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Args:
        name: its folder, below the one that was listed.
        settings: dotted key -> value, of its ``config.yaml``.
        curves: metric -> (step, value); empty before the first line of ``metrics.csv``.
        is_finished: whether it has its weights.
        changed: when it last wrote metrics, or began; local time.
    """

    name: str
    settings: Mapping[str, Any]
    curves: Curves
    is_finished: bool
    changed: datetime

    @property
    def epochs(self) -> str:
        """Epochs of a finished run, else the last step that is logged."""
        total = self.settings.get("training.epochs", "?")
        if self.is_finished:
            return str(total)
        step = max((points[-1][0] + 1 for points in self.curves.values()), default=0)
        return f"step {step}, of {total} epochs"

    @property
    def best_ao(self) -> float | None:
        """The highest mean AO over the validation sequences; ``None`` without a validation."""
        return max((value for _, value in self.curves.get("val/ao", [])), default=None)

    @property
    def loss(self) -> float | None:
        """The last logged loss of the training."""
        points = self.curves.get("train/total", [])
        return points[-1][1] if points else None


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder and below it, the one that changed last first.

    Raises ``FileNotFoundError`` where there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}; `rgbt-track train` makes runs/")
    places = [record.parent for record in folder.rglob(RECORD) if is_run(record.parent)]
    if not places:
        raise FileNotFoundError(f"{folder}: no training run in it, by {RECORD} and {CONFIG}")
    runs = [_read_run(place, folder) for place in places]
    return sorted(runs, key=lambda run: (-run.changed.timestamp(), run.name))


def differing_settings(runs: Sequence[RunSummary]) -> list[str]:
    """The dotted keys whose values are not the same in all runs, sorted."""
    keys = sorted({key for run in runs for key in run.settings} - set(_NOT_COMPARED))
    return [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """One row per run, with the settings in which the runs differ."""
    keys = differing_settings(runs)
    rows = tuple(
        (
            run.name,
            run.epochs,
            run.best_ao,
            run.loss,
            f"{run.changed:%Y-%m-%d %H:%M}",
            "  ".join(f"{key}={_short(run.settings[key])}" for key in keys if key in run.settings),
        )
        for run in runs
    )
    columns = ("run", "epochs", "best AO", "loss", "changed", "settings that differ")
    return Table("training runs", columns, rows)


def _read_run(place: Path, folder: Path) -> RunSummary:
    metrics = place / METRICS
    try:
        curves = read_metrics(metrics) if metrics.is_file() else {}
    except ValueError:  # nothing logged yet
        curves = {}
    changed = (metrics if metrics.is_file() else place / RECORD).stat().st_mtime
    return RunSummary(
        name=str(place.relative_to(folder)) if place != folder else place.resolve().name,
        settings=dict(_flatten(read_yaml(place / CONFIG))),
        curves=curves,
        is_finished=(place / WEIGHTS).is_file(),
        changed=datetime.fromtimestamp(changed),
    )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat += _flatten(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return flat


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
