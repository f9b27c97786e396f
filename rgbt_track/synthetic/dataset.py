"""Synthetic RGB-T sequences on disk, in the plain layout: for the demo, for tests, for training.

Each sequence has one challenge and carries its name. The same seed gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rgbt_track.io.box_files import write_boxes
from rgbt_track.io.files import atomic_path, write_text
from rgbt_track.io.images import write_image
from rgbt_track.synthetic.challenges import CHALLENGES
from rgbt_track.synthetic.scene import SceneFrame, scene_frames

__all__ = ["SceneFrame", "scene_frames", "sequence_names", "synthesize_sequences"]


def sequence_names(count: int) -> list[str]:
    """The first ``count`` names: every challenge once, then again as ``night_2`` and so on."""
    challenges = list(CHALLENGES)
    names = []
    for index in range(count):
        turn, place = divmod(index, len(challenges))
        names.append(challenges[place] + (f"_{turn + 1}" if turn else ""))
    return names


def synthesize_sequences(
    out: str | Path,
    count: int = len(CHALLENGES),
    frames: int = 120,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write ``count`` sequences of ``frames`` frames under ``out``; returns their folders.

    A sequence appears only when it is complete, and one that is there already, of the same
    settings, is kept: an interrupted call goes on where it stopped. ``size`` is width, height;
    ``progress`` is called with each finished name. Raises ``ValueError`` for a count below one and
    for a sequence that is there already but was made with other settings.
    """
    if count < 1:
        raise ValueError(f"cannot synthesize {count} sequences; the least is 1")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    folders = []
    for index, name in enumerate(sequence_names(count)):
        settings = {"seed": seed, "index": index, "frames": frames, "size": list(size)}
        if (out / name).exists():
            _check_same(out / name, settings)
        else:
            _write_sequence(out / name, settings, name.split("_")[0])
        folders.append(out / name)
        if progress:
            progress(name)
    return folders


def _write_sequence(folder: Path, settings: dict[str, Any], challenge: str) -> None:
    with atomic_path(folder) as part:
        for sub in ("color", "ir"):
            (part / sub).mkdir(parents=True)
        boxes, tags = [], []
        scene = scene_frames(
            [settings["seed"], settings["index"]],
            settings["frames"],
            tuple(settings["size"]),
            challenge,
        )
        for number, frame in enumerate(scene, start=1):
            write_image(part / "color" / f"{number:08d}.jpg", frame.rgb)
            write_image(part / "ir" / f"{number:08d}.png", frame.tir)
            boxes.append(frame.box)
            tags.append(frame.attributes)
        write_boxes(part / "groundtruth.txt", np.array(boxes))
        write_text(part / "attributes.json", _attributes(challenge, tags, settings))


def _attributes(challenge: str, tags: list[tuple[str, ...]], settings: dict[str, Any]) -> str:
    """The JSON beside a sequence: its attributes, the frames (from 0) of each, its settings."""
    found = sorted({tag for frame in tags for tag in frame})
    by_tag = {tag: [i for i, frame in enumerate(tags) if tag in frame] for tag in found}
    values = {"attributes": [challenge, *found], "frames": by_tag, "settings": settings}
    return json.dumps(values) + "\n"


def _check_same(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / "attributes.json"
    try:
        existing = json.loads(path.read_text(encoding="utf-8")).get("settings")
    except (OSError, ValueError, AttributeError):
        existing = None
    if existing != settings:
        raise ValueError(f"{folder} exists but was made with other settings; choose another folder")
