"""Runs of a tracker over sequences: what an int8 export is calibrated with and measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, iou_xywh
from rgbt_track.config.tracker import Config
from rgbt_track.data.open import open_dataset
from rgbt_track.modalities import MODALITIES
from rgbt_track.models.engines.export import Trial
from rgbt_track.models.engines.interface import Engine
from rgbt_track.synthetic.challenges import CHALLENGES
from rgbt_track.synthetic.scene import scene_frames
from rgbt_track.tracking.tracker import Tracker

_SYNTHETIC_FRAMES = 30
_SYNTHETIC_SEED = 11
_MOST_FRAMES = 200  # of a user's sequence

Pair = tuple[NDArray[np.generic] | None, NDArray[np.generic] | None]


class Clip(NamedTuple):
    """Frames of one target: reads frame i, and boxes (N, 4) x, y, w, h, NaN without a label."""

    read: Callable[[int], Pair]
    boxes: Boxes


def synthetic_clips(count: int = len(CHALLENGES), frames: int = _SYNTHETIC_FRAMES) -> list[Clip]:
    """Synthetic sequences in memory, one of each challenge; always the same."""
    clips = []
    for index, challenge in enumerate(list(CHALLENGES)[:count]):
        scene = list(scene_frames([_SYNTHETIC_SEED, index], frames, challenge=challenge))
        boxes = np.array([frame.box for frame in scene])
        clips.append(Clip(lambda i, scene=scene: (scene[i].rgb, scene[i].tir), boxes))  # type: ignore[misc]
    return clips


def read_clips(folder: str | Path) -> list[Clip]:
    """The user's sequences, in the layout ``plain``, each from its first label on.

    Raises as ``open_dataset``, and ``ValueError`` where no frame is labelled.
    """
    clips = []
    for sequence in open_dataset("plain", folder):
        labelled = np.flatnonzero(sequence.labelled)
        if len(labelled):
            first = int(labelled[0])
            boxes = np.where(sequence.labelled[:, None], sequence.boxes, np.nan)
            clips.append(
                Clip(
                    lambda i, sequence=sequence, first=first: sequence.frame(first + i),  # type: ignore[misc]
                    boxes[first : first + _MOST_FRAMES],
                )
            )
    if not clips:
        raise ValueError(f"{folder}: no frame of its sequences is labelled")
    return clips


def run_clips(engine: Engine, config: Config, clips: Sequence[Clip]) -> Trial:
    """Track every clip on what it shows, and half of it on one modality, in turns."""
    tracker = Tracker(engine, config)
    overlaps, boxes = [], []
    for index, clip in enumerate(clips):
        half = max(len(clip.boxes) // 2, 2)
        for shown, length in ((MODALITIES, len(clip.boxes)), ((MODALITIES[index % 2],), half)):
            first = _shown(clip.read(0), shown)
            if all(frame is None for frame in first) or not _can_run(config, shown):
                continue
            state = tracker.init(*first, clip.boxes[0])
            for i in range(1, min(length, len(clip.boxes))):
                state = tracker.update(*_shown(clip.read(i), shown), state)
                boxes.append(state.box)
                if np.isfinite(clip.boxes[i]).all():
                    overlaps.append(float(iou_xywh(state.box, clip.boxes[i])))
    if not overlaps:
        raise ValueError("calibration needs sequences with a label after their first frame")
    return Trial(float(np.mean(overlaps)), np.array(boxes))


def _shown(pair: Pair, names: Sequence[str]) -> Pair:
    rgb, tir = (
        frame if name in names else None for name, frame in zip(MODALITIES, pair, strict=True)
    )
    return rgb, tir


def _can_run(config: Config, shown: Sequence[str]) -> bool:
    """Whether a branch of the tracker answers to these modalities."""
    branches = config.model.branches
    return len(shown) == len(MODALITIES) or any(name in branches for name in shown)
