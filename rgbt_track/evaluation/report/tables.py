"""Scores as tables, and everything about them as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rgbt_track import __version__
from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.ground_truth import EvaluationSet
from rgbt_track.evaluation.report.calibration import calibration_json
from rgbt_track.evaluation.thresholds import NORMALIZED_DISTANCES
from rgbt_track.io.tables import Cell, Table


def ranked(data: EvaluationSet, entries: Sequence[Entry]) -> list[Entry]:
    """The trackers, best first by the ranking measure."""
    measure = ranking_measure(data.rules.measures)
    return sorted(entries, key=lambda entry: -entry.scores.overall[measure])


def overall_table(data: EvaluationSet, entries: Sequence[Entry]) -> Table:
    """One row per tracker with the measures of the rules and its speed."""
    measures = data.rules.measures
    rows: list[tuple[Cell, ...]] = [
        (entry.name, *(entry.scores.overall[name] for name in measures), entry.fps)
        for entry in entries
    ]
    return Table(comparison_title(data, entries), ("tracker", *measures, "fps"), tuple(rows))


def sequence_table(data: EvaluationSet, entries: Sequence[Entry]) -> Table:
    """One row per sequence: its frames, and the ranking measure of every tracker."""
    measure = ranking_measure(data.rules.measures)
    names = list(entries[0].scores.sequences)
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            data.lengths[name],
            *(entry.scores.sequences[name][measure] for entry in entries),
        )
        for name in names
    ]
    columns = ("sequence", "frames", *(entry.name for entry in entries))
    return Table(f"{measure} per sequence", columns, tuple(rows))


def attribute_table(data: EvaluationSet, entries: Sequence[Entry]) -> Table | None:
    """One row per attribute: its sequences, and the ranking measure; ``None`` without any."""
    measure = ranking_measure(data.rules.measures)
    sizes = entries[0].scores.attribute_sizes
    if not sizes:
        return None
    rows: list[tuple[Cell, ...]] = [
        (name, size, *(entry.scores.attributes[name][measure] for entry in entries))
        for name, size in sizes.items()
    ]
    columns = ("attribute", "sequences", *(entry.name for entry in entries))
    return Table(f"{measure} per attribute", columns, tuple(rows))


def ranking_measure(measures: Sequence[str]) -> str:
    """The measure by which trackers are ranked: the area under the success curve, or AO."""
    return next(name for name in ("AO", "MSR", "SR") if name in measures)


def comparison_title(data: EvaluationSet, entries: Sequence[Entry]) -> str:
    """Data set, split, rules, sequences and frames of a comparison."""
    count, frames = len(entries[0].scores.sequences), entries[0].scores.frames
    part = f" {data.split}" if data.split else ""
    of_all = f" of {data.sequence_count}" if count < data.sequence_count else ""
    sequences = f"{count}{of_all} sequence{'s' if max(count, data.sequence_count) > 1 else ''}"
    return f"{data.name}{part}, {data.rules.name} rules, {sequences}, {frames:,} scored frames"


def to_json(data: EvaluationSet, entries: Sequence[Entry]) -> str:
    """Everything, for programs: rules, overall, curves, sequences, attributes, notes."""
    rules = data.rules
    document = {
        "dataset": data.name,
        "split": data.split,
        "rules": rules.name,
        "rgbt_track": __version__,
        "thresholds": {
            "overlap": list(rules.overlaps),
            "distance": list(rules.distances),
            "normalized_distance": NORMALIZED_DISTANCES.tolist(),
        },
        "trackers": {entry.name: _entry_document(entry) for entry in entries},
    }
    return json.dumps(document, indent=1) + "\n"


def _entry_document(entry: Entry) -> dict[str, Any]:
    scores = entry.scores
    return {
        "overall": scores.overall,
        "fps": entry.fps,
        "frames": scores.frames,
        "curves": {
            "success": scores.curves.success.tolist(),
            "precision": scores.curves.precision.tolist(),
            "normalized_precision": scores.curves.normalized.tolist(),
        },
        "sequences": scores.sequences,
        "attributes": scores.attributes,
        "calibration": calibration_json(entry),
        "notes": list(scores.notes),
    }
