"""Synthetic RGB-T sequences on disk, in the plain layout: for the demo, for tests, for training.

Each sequence has one challenge and carries its name. The same seed gives the same bytes: the order
of random draws is part of the format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rgbt_track.io.box_files import write_boxes
from rgbt_track.io.files import atomic_path, write_text
from rgbt_track.io.images import write_image
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.synthetic.challenges import CHALLENGES
from rgbt_track.synthetic.scene import SceneFrame, scene_frames

__all__ = ["SceneFrame", "scene_frames", "sequence_names", "synthesize_sequences"]

_ATTRIBUTES = "attributes.json"


def sequence_names(count: int) -> list[str]:
    """The first ``count`` names: every challenge once, then again as ``night_2`` and so on."""
    challenges = list(CHALLENGES)
    names = []
    for index in range(count):
        turn, position = divmod(index, len(challenges))
        names.append(challenges[position] + (f"_{turn + 1}" if turn else ""))
    return names


def synthesize_sequences(
    out: str | Path,
    count: int = len(CHALLENGES),
    frames: int = 120,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> list[Path]:
    """Write synthetic sequences, each whole or not at all; returns their folders.

    An existing sequence of the same settings is kept: an interrupted call can be repeated.

    Args:
        out: the folder of the sequences.
        count: number of sequences.
        frames: frames per sequence.
        size: width, height in pixels.
        seed: of all of them; each sequence's generator is seeded by this and its index.
        on_progress: called after each sequence with the number of finished ones and ``count``.

    Raises:
        ValueError: a count below one, or an existing sequence with other settings.
    """
    if count < 1:
        raise ValueError(f"cannot synthesize {count} sequences; the least is 1")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    folders = []
    for index, name in enumerate(sequence_names(count)):
        settings = {"seed": seed, "index": index, "frames": frames, "size": list(size)}
        folder = out / name
        if not folder.exists():
            _write_sequence(folder, settings, name.split("_")[0])
        elif _read_settings(folder) != settings:
            raise ValueError(
                f"{folder} exists but was made with other settings; choose another folder"
            )
        folders.append(folder)
        on_progress(index + 1, count)
    return folders


def _write_sequence(folder: Path, settings: dict[str, Any], challenge: str) -> None:
    with atomic_path(folder) as part:
        for modality in ("color", "ir"):
            (part / modality).mkdir(parents=True)
        # Frames and boxes.
        seed, size = [settings["seed"], settings["index"]], tuple(settings["size"])
        boxes, tags = [], []
        scene = scene_frames(seed, settings["frames"], size, challenge)
        for number, frame in enumerate(scene, start=1):
            write_image(part / "color" / f"{number:08d}.jpg", frame.rgb)
            write_image(part / "ir" / f"{number:08d}.png", frame.tir)
            boxes.append(frame.box)
            tags.append(frame.attributes)
        write_boxes(part / "groundtruth.txt", np.array(boxes))
        # Attributes of the sequence, the frames (from 0) of each, and the settings.
        names = sorted({tag for frame_tags in tags for tag in frame_tags})
        frames = {
            name: [i for i, frame_tags in enumerate(tags) if name in frame_tags] for name in names
        }
        values = {"attributes": [challenge, *names], "frames": frames, "settings": settings}
        write_text(part / _ATTRIBUTES, json.dumps(values) + "\n")


def _read_settings(folder: Path) -> Any:
    """The settings that a sequence was made with; ``None`` where they cannot be read."""
    try:
        return json.loads((folder / _ATTRIBUTES).read_text(encoding="utf-8")).get("settings")
    except (OSError, ValueError, AttributeError):
        return None
