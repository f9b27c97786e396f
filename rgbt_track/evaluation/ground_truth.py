"""A described data set, opened for evaluation: its sequences, its rules, its ground truth.

``Sequence`` counts pixels from 0; ground-truth files, and so the result files that people
exchange, count from the data set's own first pixel. Results are written and scored in the data
set's own count, so that files of any software mean the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.data.annotations import Annotation
from rgbt_track.data.description import DatasetDescription, load_description
from rgbt_track.data.open import has_frames, open_annotations, open_dataset
from rgbt_track.data.sequence import Sequence
from rgbt_track.evaluation.frame_errors import Truth
from rgbt_track.evaluation.rules import Rules, find_rules
from rgbt_track.registration.model import Registration


@dataclass(frozen=True)
class EvaluationSet:
    """A data set as evaluation needs it; every mapping has the sequences' names as keys.

    Attributes:
        description, split, rules: the opened data set, and how it is scored.
        truths: ground truth as x, y, w, h in the data set's own pixel count.
        annotations: what the data set says, in pixels from 0.
        lengths: frames of each sequence.
        attributes: the names of each sequence's attributes.
        sequences: the frames to run; empty where only the ground truth was read.
    """

    description: DatasetDescription
    split: str | None
    rules: Rules
    truths: dict[str, Truth]
    annotations: dict[str, Annotation]
    lengths: dict[str, int]
    attributes: dict[str, tuple[str, ...]]
    sequences: dict[str, Sequence]

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def sequence_count(self) -> int:
        """Sequences of a complete copy by the description, or those on disk if it has no count."""
        part = self.description.split(self.split) if self.split else self.description
        return max(part.sequences or 0, len(self.truths))

    @property
    def first_pixel(self) -> int:
        return self.description.first_pixel


def open_evaluation_set(
    name: str | Path,
    root: str | Path,
    rules: str = "official",
    split: str | None = None,
    sequences: Collection[str] | None = None,
    *,
    images: bool = True,
    registration: Registration | None = None,
) -> EvaluationSet:
    """Open a data set for evaluation.

    Args:
        name, root, sequences: as for ``open_dataset``.
        rules: the rule set by name.
        split: a part by name, or "all"; without it the test split, where there is one.
        registration: of the two cameras, for thermal frames that are not registered.
        images: whether frames are needed; if not, a copy with ground truth alone is enough.

    Raises ``FileNotFoundError`` or ``ValueError`` in one line: see ``open_dataset``; for unknown
    rules; for two sequences of one name.
    """
    description = load_description(name)
    if split is None:
        split = "test" if any(part.name == "test" for part in description.splits) else "all"
    part = None if split == "all" else split
    rule_set = find_rules(description.name, rules)
    frames: dict[str, Sequence] = {}
    if images or has_frames(description, Path(root)):
        all_sequences = open_dataset(name, root, part, sequences, registration)
        frames = {sequence.name: sequence for sequence in all_sequences}
        if len(frames) != len(all_sequences):
            raise ValueError(
                f"{root}: several sequences have one name; results could not be told apart"
            )
        annotations = {name: sequence.annotation for name, sequence in frames.items()}
    else:
        annotations = open_annotations(name, root, part, sequences)
    return EvaluationSet(
        description=description,
        split=part,
        rules=replace(rule_set, truth_format="xywh"),
        truths={name: _truth(item, description, rule_set) for name, item in annotations.items()},
        annotations=annotations,
        lengths={name: len(item) for name, item in annotations.items()},
        attributes={name: item.attributes for name, item in annotations.items()},
        sequences=frames,
    )


def _truth(annotation: Annotation, description: DatasetDescription, rules: Rules) -> Truth:
    visible = _to_truth_boxes(annotation.boxes, annotation.absent, description, rules)
    if rules.truth == "single" or annotation.boxes_tir is None:
        return visible
    infrared = _to_truth_boxes(annotation.boxes_tir, annotation.absent, description, rules)
    return {"visible": visible, "infrared": infrared}


def _to_truth_boxes(
    boxes: NDArray[np.floating],
    absent: NDArray[np.bool_],
    description: DatasetDescription,
    rules: Rules,
) -> NDArray[np.floating]:
    boxes = shift_origin(boxes, description.first_pixel)
    if rules.unlabelled == "left out":
        boxes[absent] = np.nan
    return boxes


def shift_origin(boxes: NDArray[np.floating], first_pixel: int) -> NDArray[np.floating]:
    """Boxes (N, 4) counted from pixel 0 -> counted from ``first_pixel``."""
    return boxes + np.array([first_pixel, first_pixel, 0, 0], float)
