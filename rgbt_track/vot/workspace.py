"""A workspace of the VOT toolkit made of any RGB-T sequences.

The toolkit's own ``vot initialize`` writes the same files but no anchors, and for the challenge's
stacks it wants to download their data. Everything here works without a network and without the
toolkit installed. ``config.yaml`` is written last: a folder that has it is complete.

A frame whose target is absent or unlabelled is written as ``nan`` (``ground_truth`` says what that
means), and no run starts on it. Where a set has boxes for both modalities, those of the visible
image are used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rgbt_track.data.sequence import Sequence
from rgbt_track.io.files import atomic_path, write_text
from rgbt_track.io.frames import prepare_frames
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.vot.frame_files import common_suffix, place_frames
from rgbt_track.vot.ground_truth import ground_truth
from rgbt_track.vot.registry import Section, shipped_sections, write_registry
from rgbt_track.vot.run_anchors import challenge_anchors
from rgbt_track.vot.stacks import (
    CHALLENGE_HIGH,
    CHALLENGE_LOW,
    eao_interval,
    stack_yaml,
    stock_stack,
)

_SOURCE = "source.txt"  # in every sequence made here: the images that it was made from


@dataclass(frozen=True)
class WorkspaceSummary:
    """What was built.

    Args:
        path: the workspace's folder.
        stack: the challenge's stack, or ``auto``.
        sequences: their number.
        frames: of all sequences.
        runs: number of anchors.
        eao: EAO interval of our own stack, in frames; ``None`` for a challenge's.
    """

    path: Path
    stack: str
    sequences: int
    frames: int
    runs: int
    eao: tuple[int, int] | None

    def __str__(self) -> str:
        low, high = self.eao or (CHALLENGE_LOW, CHALLENGE_HIGH)
        return (
            f"{self.sequences} sequences, {self.frames} frames, {self.runs} runs from anchors; "
            f"stack {self.stack}, EAO over {low}..{high} frames"
        )


def build_workspace(
    sequences: Items[Sequence],
    out: str | Path,
    *,
    stack: str = "auto",
    trackers: Mapping[str, Section] | None = None,
    fps: int = 30,
    interpolate: int = 0,
    copy: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> WorkspaceSummary:
    """Write a workspace; one that is there already gets what is missing.

    Args:
        sequences: with both modalities; their names become folder names.
        out: the workspace's folder; plain ASCII in its path, because TraX takes no other.
        stack: ``auto`` (every frame is shown; EAO limits by ``eao_interval``) or a challenge's
            stack by name, see ``stock_stack``.
        trackers: sections for ``trackers.ini`` beside the shipped ones; they replace sections of
            their name.
        fps: the video's rate, which the challenge's real-time stacks take as the time limit.
        interpolate: fill up to so many unlabelled frames between two labels by straight lines.
        copy: copy the images instead of linking them.
        on_progress: called after each sequence with the number of finished ones and all.

    Raises:
        ValueError: a sequence that the protocol cannot use, a name twice, or a sequence of that
            name in the workspace that was made from other data.
        FileNotFoundError: an image that does not exist.
    """
    out = check_path(Path(out))
    check_contents(out)
    stock = stock_stack(stack)
    if not sequences:
        raise ValueError("no sequences: a workspace needs at least one")
    if fps < 1:
        raise ValueError(f"fps is {fps}; expected a positive whole number")
    names = safe_names([sequence.name for sequence in sequences])
    for folder in ("sequences", "results"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    runs = 0
    for done, (name, sequence) in enumerate(zip(names, sequences, strict=True), start=1):
        runs += _build_sequence(name, sequence, out / "sequences", fps, interpolate, copy)
        on_progress(done, len(sequences))
    interval = None if stock else eao_interval(len(sequence) for sequence in sequences)
    # The settings; config.yaml last, because a folder that has it is complete.
    if interval:
        write_text(out / "stack.yaml", stack_yaml(*interval))
    sections = {**shipped_sections(), **(trackers or {})}
    write_registry(out / "trackers.ini", sections, replace=trackers or {})
    write_text(out / "sequences" / "list.txt", _lines(names))
    stack = stock or "stack.yaml"
    write_text(out / "config.yaml", f"registry:\n- ./trackers.ini\nstack: {stack}\n")
    frames = sum(map(len, sequences))
    return WorkspaceSummary(out, stock or "auto", len(names), frames, runs, interval)


def check_path(out: Path) -> Path:
    """The absolute path; ``ValueError`` for one where the toolkit or TraX would fail."""
    out = Path(os.path.abspath(out))
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give a folder for the workspace")
    if not str(out).isascii() or re.search(r"[%\[\]*?]", str(out)):
        raise ValueError(
            f"{out}: the toolkit cannot work in a path with accents or any of % [ ] * ?; "
            "give a plain one"
        )
    return out


def safe_names(names: Items[str]) -> list[str]:
    """Folder names for sequences: anything but ``A-Za-z0-9._-`` becomes ``_``.

    Raises ``ValueError`` when two sequences would share a name.
    """
    safe = [re.sub(r"[^a-zA-Z0-9._-]|^\.", "_", name) for name in names]
    first: dict[str, str] = {}
    for name, original in zip(safe, names, strict=True):
        # Some file systems do not tell upper from lower case.
        if name.lower() in first:
            raise ValueError(
                f"two sequences would be called {name!r}: {first[name.lower()]!r} and {original!r}"
            )
        first[name.lower()] = original
    return safe


def check_contents(out: Path) -> None:
    """``ValueError`` unless the folder is new, empty, or (a part of) a workspace made here."""
    if not out.is_dir() or not any(out.iterdir()):
        return
    folders = [path for path in out.glob("sequences/*") if path.is_dir() and path.name[0] != "."]
    is_ours = all((folder / _SOURCE).is_file() for folder in folders)
    is_partial = {path.name for path in out.iterdir()} <= {"sequences", "results"}
    if not is_ours or not (is_partial or (out / "config.yaml").is_file()):
        raise ValueError(
            f"{out} holds something that rgbt-track did not make; give the workspace a new folder"
        )


def _build_sequence(
    name: str, sequence: Sequence, folder: Path, fps: int, interpolate: int, copy: bool
) -> int:
    """Write one sequence, whole or not at all; returns its number of runs."""
    if sequence.rgb is None or sequence.tir is None:
        raise ValueError(f"{sequence.name}: VOT RGB-T needs visible and thermal frames")
    color, thermal = sequence.image_files("rgb"), sequence.image_files("tir")
    channels = {"color": color, "ir": thermal}
    try:
        height, width = prepare_frames(*sequence.frame(0))["rgb"].shape[:2]
        boxes = ground_truth(sequence, interpolate)
        # Only a box with a part inside the image can start a tracker.
        x, y, w, h = np.where(sequence.labelled[:, None], sequence.boxes, 0.0).T
        is_inside = (x < width) & (y < height) & (x + w > 0) & (y + h > 0)
        anchors = challenge_anchors(sequence.labelled & is_inside)
    except ValueError as error:
        raise ValueError(f"{sequence.name}: {error}") from None
    metadata = {
        "name": name,
        "fps": fps,
        "format": "default",
        "width": width,
        "height": height,
        "length": len(sequence),
        "channels.color": f"color/%08d{common_suffix(color)}",
        "channels.ir": f"ir/%08d{common_suffix(thermal)}",
    }
    texts = {
        "groundtruth.txt": _lines(",".join(f"{side:.4f}" for side in box) for box in boxes),
        "anchor.value": _lines(map(str, anchors)),
        "sequence": _lines(f"{key}={value}" for key, value in metadata.items()),
        _SOURCE: _lines(os.path.abspath(files[0]) for files in channels.values()),
    }
    folder = folder / name
    if folder.exists():
        for file, text in texts.items():
            path = folder / file
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                raise ValueError(
                    f"{folder} was made from other data or settings ({file} differs): "
                    "delete that folder and its results, or give another workspace"
                )
    else:
        with atomic_path(folder) as part:
            part.mkdir()
            for channel, files in channels.items():
                place_frames(files, part / channel, copy=copy)
            for file, text in texts.items():
                write_text(part / file, text)
    return int(np.count_nonzero(anchors))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
