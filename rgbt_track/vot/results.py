"""The toolkit's results in a workspace: the runs that must exist, and the measures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.vot.run_anchors import run_frames


@dataclass(frozen=True)
class Score:
    """The measures of one tracker in one experiment, each in [0, 1].

    Args:
        tracker: its name.
        experiment: name of the experiment.
        eao: expected average overlap over the stack's interval.
        accuracy: mean overlap until a run fails.
        robustness: share of frames before a run fails (overlap up to 0.1 for 10 frames).
    """

    tracker: str
    experiment: str
    eao: float
    accuracy: float
    robustness: float


@dataclass(frozen=True)
class HighestEAO:
    """What a perfect tracker scores where runs are shorter than the interval of the EAO.

    Args:
        low, high: the interval, in frames after a start.
        longest: frames of the longest run.
        value: its EAO, 1 where runs are long enough.
    """

    low: int
    high: int
    longest: int
    value: float


def experiments(workspace: Path, toolkit: Path) -> list[str]:
    """Names of the multi-start experiments of a workspace's stack.

    ``toolkit`` is the folder of the toolkit's package, where its own stacks lie. Raises
    ``ValueError`` for a stack that does not exist or has no such experiment.
    """
    return list(_multistart(workspace, toolkit))


def _multistart(workspace: Path, toolkit: Path) -> dict[str, dict[str, Any]]:
    """Name -> settings of the multi-start experiments in a workspace's stack."""
    name = stack_name(workspace)
    for path in (workspace / name, toolkit / "stack" / f"{name}.yaml"):
        if path.is_file():
            stack = read_yaml(path).get("experiments") or {}
            kept = {key: value for key, value in stack.items() if value.get("type") == "multistart"}
            if kept:
                return kept
            raise ValueError(f"{path}: the stack has no multistart experiment")
    raise ValueError(f"{workspace / 'config.yaml'}: there is no stack {name!r}")


def stack_name(workspace: Path) -> str:
    """The stack that a workspace names: the toolkit's own, or a file in it."""
    return str(read_yaml(workspace / "config.yaml").get("stack"))


def sequence_list(workspace: Path) -> list[str]:
    """The sequences of a workspace; ``FileNotFoundError`` where it has no list of them."""
    list_file = workspace / "sequences" / "list.txt"
    if not list_file.is_file():
        raise FileNotFoundError(f"{list_file} is missing: build the workspace again")
    return list_file.read_text(encoding="utf-8").split()


def highest_eao(workspace: Path, toolkit: Path) -> dict[str, HighestEAO]:
    """Experiment -> the EAO of a perfect tracker in it.

    EAO is the mean of the overlap expected after ``low`` to ``high`` frames. After more frames
    than the longest run has, nothing can be expected, and the toolkit counts 0.
    """
    longest = max(
        max(run_frames(_anchors(workspace, sequence)).values())
        for sequence in sequence_list(workspace)
    )
    values = {}
    for name, settings in _multistart(workspace, toolkit).items():
        for analysis in settings.get("analyses") or []:
            if analysis.get("type") == "multistart_eao_score":
                low, high = int(analysis["low"]), int(analysis["high"])
                share = min(max(longest - low, 0) / max(high - low, 1), 1.0)
                values[name] = HighestEAO(low, high, longest, share)
    return values


def _anchors(workspace: Path, sequence: str) -> NDArray[np.floating]:
    return np.loadtxt(workspace / "sequences" / sequence / "anchor.value", ndmin=1)


def expected_runs(workspace: Path, tracker: str, toolkit: Path) -> dict[Path, int]:
    """Result file of every run (without its suffix) -> number of frames of the run."""
    sequences = sequence_list(workspace)
    runs = {}
    for experiment in experiments(workspace, toolkit):
        for sequence in sequences:
            folder = workspace / "results" / tracker / experiment / sequence
            for anchor, frames in run_frames(_anchors(workspace, sequence)).items():
                runs[folder / f"{sequence}_{anchor:08d}"] = frames
    return runs


def finished(run: Path) -> bool:
    """Whether a run's result file exists, binary or text."""
    return any(run.with_name(run.name + suffix).is_file() for suffix in (".bin", ".txt"))


def read_scores(file: Path) -> list[Score]:
    """The measures in a JSON file of ``vot analysis``, tracker by tracker within an experiment."""
    document = json.loads(file.read_text(encoding="utf-8"))
    scores = []
    for experiment, content in document["results"].items():
        measures = {
            analysis["type"].rsplit(".", 1)[-1]: rows
            for analysis, rows in zip(
                content["parameters"]["analyses"], content["results"], strict=True
            )
        }
        for index, tracker in enumerate(document["trackers"]):
            accuracy, robustness = measures["AverageAccuracyRobustness"][index][:2]
            (eao,) = measures["EAOScore"][index]
            scores.append(Score(tracker, experiment, eao, accuracy, robustness))
    return scores
