"""What a visitor gives: a synthetic sequence by name, or a video or images of each modality.

Uploaded files are read by their suffix, and never as a list of other files: a visitor reaches no
file of the machine but those that were uploaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import xywh_from_text
from rgbt_track.io.frames import Frame, prepare_frames
from rgbt_track.io.images import IMAGE_SUFFIXES, natural_key
from rgbt_track.io.pairing import PairedFrames
from rgbt_track.io.sources import FolderSource, Source, VideoSource
from rgbt_track.io.video.reader import VideoReader
from rgbt_track.resources import check_choice
from rgbt_track.synthetic.challenges import CHALLENGES
from rgbt_track.synthetic.scene import scene_frames

SYNTHETIC_FRAMES = 120
FRAME_RATE = 25.0
VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".m4v", ".webm", ".mpg", ".mpeg")
MODALITY_CHOICES = {"both": ("rgb", "tir"), "visible only": ("rgb",), "thermal only": ("tir",)}
_SIZE, _SEED = (320, 240), 0

Pair = tuple[Frame, Frame]


class Input:
    """Frame pairs in order, to be gone through once.

    Args:
        pairs: them.
        length: how many, ``None`` where that is unknown.
        fps: of the video that is written.
        box: x, y, w, h of a target in the first pair, where one is known.
    """

    def __init__(
        self,
        pairs: Iterator[Pair],
        length: int | None,
        fps: float | None = None,
        box: NDArray[np.floating] | None = None,
    ):
        self.pairs, self.length, self.fps, self.box = pairs, length, fps or FRAME_RATE, box


def synthetic_input(challenge: str) -> Input:
    """The built-in sequence of a challenge; ``ValueError`` for an unknown one."""
    check_choice("unknown sequence", challenge, CHALLENGES)
    scene = scene_frames(_SEED, SYNTHETIC_FRAMES, _SIZE, challenge)
    first = next(scene_frames(_SEED, SYNTHETIC_FRAMES, _SIZE, challenge))
    return Input(((frame.rgb, frame.tir) for frame in scene), SYNTHETIC_FRAMES, box=first.box)


def file_input(rgb: Sequence[str | Path], tir: Sequence[str | Path]) -> Input:
    """Uploaded files of both modalities, or of one; videos are paired by time.

    Raises ``ValueError`` in one line where there are none, of a kind that is not read, or where
    both do not fit each other.
    """
    if not rgb and not tir:
        raise ValueError("no files: give a visible video, a thermal one, or both")
    frames = PairedFrames(
        _open(rgb, "visible", thermal=False) if rgb else None,
        _open(tir, "thermal", thermal=True) if tir else None,
    )
    return Input(iter(frames), frames.length, frames.fps)


def without_other_modalities(pairs: Iterator[Pair], modalities: str) -> Iterator[Pair]:
    """The pairs with those modalities alone that are chosen; ``ValueError`` for another choice."""
    check_choice("unknown modalities", modalities, MODALITY_CHOICES)
    kept = MODALITY_CHOICES[modalities]
    return ((rgb if "rgb" in kept else None, tir if "tir" in kept else None) for rgb, tir in pairs)


def check_first_pair(pair: Pair | None) -> Pair:
    """The first pair, if there is one that can be shown; ``ValueError`` says what is wrong."""
    if pair is None:
        raise ValueError("the files have no frames")
    prepare_frames(*pair)
    return pair


def parse_box(text: str) -> list[float]:
    """'x, y, w, h' -> four numbers; ``ValueError`` quotes another text."""
    values = xywh_from_text(text)
    if values is None:
        given = f"the target is {text!r}" if text.strip() else "there is no target"
        raise ValueError(f"{given}: draw a box around it in either image, or type x, y, w, h")
    return values


def _open(files: Sequence[str | Path], what: str, thermal: bool) -> Source:
    paths = sorted(map(Path, files), key=lambda path: (natural_key(path.name), path.name))
    if all(path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
        return FolderSource(Path(f"{what} images"), thermal, paths)
    if len(paths) == 1 and paths[0].suffix.lower() in VIDEO_SUFFIXES:
        return VideoSource(paths[0].name, [VideoReader(paths[0], thermal)])
    names = ", ".join(path.name for path in paths[:3])
    raise ValueError(
        f"{what}: {names}: expected one video ({', '.join(VIDEO_SUFFIXES)}) or images "
        f"({', '.join(IMAGE_SUFFIXES)})"
    )
