"""Several trackers' result folders, read and scored side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.evaluation.calibration import (
    Calibration,
    ScoredFrames,
    calibrate_scores,
    scored_frames,
)
from rgbt_track.evaluation.frame_errors import result_xywh
from rgbt_track.evaluation.ground_truth import EvaluationSet, own_pixels
from rgbt_track.evaluation.result_files import frame_rate, read_boxes, read_scores, result_paths
from rgbt_track.evaluation.scoring import Scores, listed, score_tracker
from rgbt_track.progress import OnProgress, ignore_progress


@dataclass(frozen=True)
class Entry:
    """One tracker of a comparison.

    ``fps`` is ``None`` where nobody wrote down its time, ``calibration`` where not every sequence
    has a file of scores.
    """

    name: str
    folder: Path
    scores: Scores
    fps: float | None
    calibration: Calibration | None


def compare_folders(
    data: EvaluationSet,
    folders: Mapping[str, Path],
    *,
    partial: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> list[Entry]:
    """Score trackers on the same sequences, in the order given.

    Args:
        data: the opened data set.
        folders: tracker -> folder of its result files.
        partial: score the sequences that every tracker has, instead of asking for all of them.
        on_progress: called after each tracker with the number of scored ones and all.

    Raises:
        ValueError: missing sequences, and anything wrong in a file, by file and row.
    """
    paths = {name: result_paths(folder, data.truths) for name, folder in folders.items()}
    names = [
        name for name in data.truths if not partial or all(name in own for own in paths.values())
    ]
    if not names:
        raise ValueError("there is no sequence for which every tracker has a result")
    for tracker, own in paths.items():
        missing = [name for name in names if name not in own]
        if missing:
            raise ValueError(
                f"{folders[tracker]}: no result for {len(missing)} of {len(names)} sequences: "
                f"{listed(missing)}; run them, or score those that are there with --partial"
            )
    entries = []
    for tracker, folder in folders.items():
        entries.append(
            _score(data, tracker, folder, {name: paths[tracker][name] for name in names})
        )
        on_progress(len(entries), len(folders))
    return entries


def _score(data: EvaluationSet, tracker: str, folder: Path, paths: dict[str, Path]) -> Entry:
    nan = data.rules.accepts_nan
    results = {name: read_boxes(path, allow_nan=nan) for name, path in paths.items()}
    scores = score_tracker(
        data.rules,
        results,
        {name: data.truths[name] for name in paths},
        data.attributes,
        where={name: str(path) for name, path in paths.items()},
    )
    calibration, notes = _calibration(data, results, paths)
    scores = replace(scores, notes=(*scores.notes, *notes))
    return Entry(tracker, folder, scores, frame_rate(paths), calibration)


def _calibration(
    data: EvaluationSet, results: Mapping[str, NDArray[np.floating]], paths: Mapping[str, Path]
) -> tuple[Calibration | None, list[str]]:
    """What the scores say, and why they are not looked at; somebody else's may be anything."""
    try:
        scores = read_scores(paths)
    except ValueError as error:
        return None, [f"scores not looked at: {error}"]
    if not scores:
        return None, []
    sequences: list[ScoredFrames] = []
    for name, boxes in results.items():
        length = data.lengths[name]
        if name not in scores or len(scores[name]) != len(boxes) or len(boxes) < length:
            return None, [f"scores not looked at: not every frame of {name} has one"]
        own = own_pixels(result_xywh(data.rules, boxes), -data.first_pixel)[:length]
        sequences.append(scored_frames(scores[name][:length], own, data.annotations[name]))
    return calibrate_scores(sequences), []
