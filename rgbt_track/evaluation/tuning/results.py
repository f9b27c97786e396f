"""Output of a search: the best settings as an experiment, a table of trials, and plots."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from rgbt_track import __version__
from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.evaluation.report.figures import line_style, new_axes, to_svg
from rgbt_track.evaluation.tuning.objective import Outcome
from rgbt_track.evaluation.tuning.space import Space
from rgbt_track.io.files import write_text
from rgbt_track.io.tables import Cell, Table, to_csv, to_markdown
from rgbt_track.resources import WEIGHTS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_TABLE_ROWS = 10


def trial_attributes(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Attributes of a trial beside its settings and its value."""
    return {
        "groups": outcome.groups,
        "sequences": outcome.sequences,
        "seconds": round(seconds, 3),
        "cached": round(outcome.cached, 4),
    }


def write_experiment(folder: Path, config: Config, weights: Path | None, about: str) -> Path:
    """Write ``NAME_tuned.yaml``, which ``load_tracker`` takes, and return its path.

    ``weights`` are written relative to it; ``about`` becomes the comment on top.
    """
    path = experiment_path(folder, config)
    tuned = replace(config, name=path.stem)
    if weights is not None:
        tuned = replace(tuned, weights=_weights_path(folder, weights))
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    write_text(path, comment + yaml.safe_dump(to_mapping(tuned), sort_keys=False))
    return path


def experiment_path(folder: Path, config: Config) -> Path:
    """Where the tuned experiment is written."""
    return folder / f"{config.name.removesuffix('_tuned')}_tuned.yaml"


def _weights_path(folder: Path, weights: Path) -> str:
    if weights.resolve().parent == WEIGHTS.resolve():
        return weights.name
    try:
        return Path(os.path.relpath(weights, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return str(weights.resolve())


def write_trials(folder: Path, trials: Sequence[FrozenTrial], space: Space, about: dict) -> None:
    """Write every trial as ``trials.csv`` and ``tuning.json``, the best ten as ``trials.md``."""
    write_text(folder / "trials.csv", to_csv(trials_table(trials, space)))
    ranked = sorted(trials, key=lambda trial: (-float(trial.value or 0), trial.number))
    write_text(folder / "trials.md", to_markdown(trials_table(ranked[:_TABLE_ROWS], space)))
    document = {
        "rgbt_track": __version__,
        **about,
        "trials": [
            {
                "number": trial.number,
                "AO": trial.value,
                "settings": trial.params,
                **{key: trial.user_attrs.get(key) for key in ("groups", "sequences")},
            }
            for trial in trials
        ],
    }
    write_text(folder / "tuning.json", json.dumps(document, indent=1) + "\n")


def trials_table(trials: Sequence[FrozenTrial], space: Space) -> Table:
    """One row per trial: AO, that of each group, its settings, seconds, and the share cached."""
    groups = list(trials[0].user_attrs["groups"])
    rows: list[tuple[Cell, ...]] = [
        (
            str(trial.number),
            trial.value,
            *(trial.user_attrs["groups"][name] for name in groups),
            *(trial.params[name] for name in space),
            trial.user_attrs["seconds"],
            trial.user_attrs["cached"],
        )
        for trial in trials
    ]
    columns = ("trial", "AO", *(f"AO {name}" for name in groups), *space, "seconds", "cached")
    return Table("Trials", columns, tuple(rows), ranked=False)


def summary_table(best: FrozenTrial, default: FrozenTrial | None) -> Table:
    """AO of the best trial beside that of the tracker's own settings: the mean, and per group."""
    rows = [("best", best)] + ([("as it was", default)] if default else [])
    groups = list(best.user_attrs["groups"])
    return Table(
        "AO",
        ("settings", "trial", "mean of groups", *groups),
        tuple(
            (name, str(trial.number), trial.value, *(trial.user_attrs["groups"][g] for g in groups))
            for name, trial in rows
        ),
        ranked=False,
    )


def gain_text(best: FrozenTrial, default: FrozenTrial) -> str:
    """The mean gain over runs with its standard error, and what it is worth, in words."""
    gains = np.array(
        [
            best.user_attrs["sequences"][group][name] - value
            for group, runs in default.user_attrs["sequences"].items()
            for name, value in runs.items()
        ]
    )
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
    return (
        f"gain {gains.mean():+.4f} +- {error:.4f} (standard error over {len(gains)} runs); "
        "selected on these very runs, so verify it on others"
    )


def history_plot(trials: Sequence[FrozenTrial]) -> str:
    """AO of every trial and the best so far, as SVG."""
    figure, axes = new_axes("Search", "trial", "AO, mean over groups")
    numbers = [trial.number for trial in trials]
    values = np.array([trial.value for trial in trials])
    axes.plot(numbers, values, "o", markersize=3, color=line_style(1)["color"], label="trial")
    axes.step(numbers, np.maximum.accumulate(values), where="post", label="best", **line_style(0))
    axes.set_ylim(auto=True)
    axes.legend(fontsize="small", loc="lower right")
    return to_svg(figure, "history")


def settings_plot(trials: Sequence[FrozenTrial], space: Space) -> str:
    """AO over each setting, a panel each, as SVG; later trials are darker."""
    from matplotlib.figure import Figure

    columns = min(len(space), 4)
    rows = -(-len(space) // columns)
    figure = Figure(figsize=(2.8 * columns, 2.4 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    values = [trial.value for trial in trials]
    for panel, name in zip(panels, space, strict=False):
        points = [trial.params[name] for trial in trials]
        if not all(isinstance(point, (int, float)) for point in points):
            points = [str(point) for point in points]
        panel.scatter(points, values, c=range(len(points)), cmap="Blues", s=12, edgecolors="#555")
        panel.set_xlabel(name, fontsize="small")
        panel.grid(alpha=0.3)
    for panel in panels[len(space) :]:
        panel.set_visible(False)
    panels[0].set_ylabel("AO")
    return to_svg(figure, "settings")
