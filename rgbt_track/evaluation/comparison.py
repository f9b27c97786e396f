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
from rgbt_track.evaluation.ground_truth import EvaluationSet, shift_origin
from rgbt_track.evaluation.result_files import frame_rate, read_boxes, read_scores, result_paths
from rgbt_track.evaluation.scoring import Scores, score_tracker, shorten_list
from rgbt_track.progress import OnProgress, ignore_progress


@dataclass(frozen=True)
class Entry:
    """One tracker of a comparison.

    ``fps`` is ``None`` without recorded times, ``calibration`` where not every sequence
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
    """Score trackers on the same sequences, in the order of ``folders``.

    Args:
        data: the opened data set.
        folders: tracker -> folder of its result files.
        partial: score the sequences that every tracker has, instead of asking for all of them.
        on_progress: called after each tracker with the numbers of scored trackers and of all.

    Raises:
        ValueError: missing sequences, and invalid files, by file and row.
    """
    results = {name: result_paths(folder, data.truths) for name, folder in folders.items()}
    names = [
        name
        for name in data.truths
        if not partial or all(name in paths for paths in results.values())
    ]
    if not names:
        raise ValueError("there is no sequence for which every tracker has a result")
    for tracker, paths in results.items():
        missing = [name for name in names if name not in paths]
        if missing:
            raise ValueError(
                f"{folders[tracker]}: no result for {len(missing)} of {len(names)} sequences: "
                f"{shorten_list(missing)}; run them, or score those that are there with --partial"
            )
    entries = []
    for tracker, folder in folders.items():
        entries.append(
            _score_entry(data, tracker, folder, {name: results[tracker][name] for name in names})
        )
        on_progress(len(entries), len(folders))
    return entries


def _score_entry(data: EvaluationSet, tracker: str, folder: Path, paths: dict[str, Path]) -> Entry:
    allow_nan = data.rules.accepts_nan
    results = {name: read_boxes(path, allow_nan=allow_nan) for name, path in paths.items()}
    scores = score_tracker(
        data.rules,
        results,
        {name: data.truths[name] for name in paths},
        data.attributes,
        labels={name: str(path) for name, path in paths.items()},
    )
    calibration, notes = _calibrate(data, results, paths)
    scores = replace(scores, notes=(*scores.notes, *notes))
    return Entry(tracker, folder, scores, frame_rate(paths), calibration)


def _calibrate(
    data: EvaluationSet, results: Mapping[str, NDArray[np.floating]], paths: Mapping[str, Path]
) -> tuple[Calibration | None, list[str]]:
    """Calibration of the scores; notes say why scores of other software are ignored."""
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
        boxes = shift_origin(result_xywh(data.rules, boxes), -data.first_pixel)[:length]
        sequences.append(scored_frames(scores[name][:length], boxes, data.annotations[name]))
    return calibrate_scores(sequences), []
