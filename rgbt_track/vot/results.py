"""The toolkit's results in a workspace: the runs that must exist, and the measures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


def experiments(workspace: Path, toolkit: Path) -> list[str]:
    """Names of the multi-start experiments of a workspace's stack.

    ``toolkit`` is the folder of the toolkit's package, where its own stacks lie. Raises
    ``ValueError`` for a stack that does not exist or has no such experiment.
    """
    name = str(read_yaml(workspace / "config.yaml").get("stack"))
    for path in (workspace / name, toolkit / "stack" / f"{name}.yaml"):
        if path.is_file():
            stack = read_yaml(path).get("experiments") or {}
            names = [key for key, value in stack.items() if value.get("type") == "multistart"]
            if names:
                return names
            raise ValueError(f"{path}: the stack has no multistart experiment")
    raise ValueError(f"{workspace / 'config.yaml'}: there is no stack {name!r}")


def expected_runs(workspace: Path, tracker: str, toolkit: Path) -> dict[Path, int]:
    """Result file of every run (without its suffix) -> number of frames of the run."""
    list_file = workspace / "sequences" / "list.txt"
    if not list_file.is_file():
        raise FileNotFoundError(f"{list_file} is missing: build the workspace again")
    runs = {}
    for experiment in experiments(workspace, toolkit):
        for sequence in list_file.read_text(encoding="utf-8").split():
            folder = workspace / "results" / tracker / experiment / sequence
            anchors = np.loadtxt(workspace / "sequences" / sequence / "anchor.value", ndmin=1)
            for anchor, frames in run_frames(anchors).items():
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
