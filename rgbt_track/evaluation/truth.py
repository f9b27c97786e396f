"""A described data set, opened for evaluation: its sequences, its rules, its ground truth.

``Sequence`` counts pixels from 0; ground-truth files, and so the result files that people
exchange, count from the data set's own first pixel. Results are written and scored in the data
set's own count, so that ours and other people's files mean the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.data.description import DatasetDescription, load_description, open_dataset
from rgbt_track.data.sequence import Sequence
from rgbt_track.evaluation.frames import Truth
from rgbt_track.evaluation.rules import Rules, find_rules


@dataclass(frozen=True)
class EvaluationSet:
    """Sequences to run, and ground truth (x, y, w, h, the data set's own pixel count) to score."""

    description: DatasetDescription
    split: str | None
    rules: Rules
    sequences: dict[str, Sequence]
    truths: dict[str, Truth]

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        return {name: sequence.attributes for name, sequence in self.sequences.items()}

    @property
    def first_pixel(self) -> int:
        return self.description.first_pixel


def open_evaluation_set(
    name: str | Path,
    root: str | Path,
    rules: str = "official",
    split: str | None = None,
    sequences: Collection[str] | None = None,
) -> EvaluationSet:
    """Open a data set for evaluation; without a split, its test split where it has one.

    Raises ``FileNotFoundError`` or ``ValueError`` in one line: see ``open_dataset``; for unknown
    rules; for two sequences of one name.
    """
    description = load_description(name)
    if split is None and any(part.name == "test" for part in description.splits):
        split = "test"
    chosen = find_rules(description.name, rules)
    opened = open_dataset(name, root, split, sequences)
    by_name = {sequence.name: sequence for sequence in opened}
    if len(by_name) != len(opened):
        raise ValueError(
            f"{root}: several sequences have one name; results could not be told apart"
        )
    return EvaluationSet(
        description=description,
        split=split,
        rules=replace(chosen, truth_format="xywh"),
        sequences=by_name,
        truths={name: _truth(item, description, chosen) for name, item in by_name.items()},
    )


def _truth(sequence: Sequence, description: DatasetDescription, rules: Rules) -> Truth:
    visible = _released(sequence.boxes, sequence, description, rules)
    if rules.truth == "single" or sequence.boxes_tir is None:
        return visible
    infrared = _released(sequence.boxes_tir, sequence, description, rules)
    return {"visible": visible, "infrared": infrared}


def _released(
    boxes: NDArray[np.floating],
    sequence: Sequence,
    description: DatasetDescription,
    rules: Rules,
) -> NDArray[np.floating]:
    boxes = own_pixels(boxes, description.first_pixel)
    if rules.unlabelled == "left out":
        boxes[sequence.absent] = np.nan
    return boxes


def own_pixels(boxes: NDArray[np.floating], first_pixel: int) -> NDArray[np.floating]:
    """Boxes (N, 4) counted from pixel 0 -> counted from the data set's own first pixel."""
    return boxes + np.array([first_pixel, first_pixel, 0, 0], float)
