"""Check frames: decodable, not truncated, not blank, numbered without a gap."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2

from rgbt_track.data.sequence import FrameFile
from rgbt_track.io.frames import is_blank
from rgbt_track.io.image_guard import decode_image
from rgbt_track.io.videos import VideoFrame, read_video_frame

_TAIL_BYTES = 256


@dataclass(frozen=True)
class ImageFacts:
    """Facts of one frame; ``error`` is empty for a valid one, ``size`` is (W, H)."""

    path: FrameFile
    error: str = ""
    size: tuple[int, int] = (0, 0)
    blank: bool = False


def inspect_files(
    files: Iterable[FrameFile], pool: ThreadPoolExecutor
) -> dict[FrameFile, ImageFacts]:
    """Decode images, each in a thread of ``pool``, and frames of videos, each video in one thread.

    Never raises for an invalid file: the error is part of the facts.
    """
    videos: dict[Path, set[int]] = {}
    images: dict[Path, None] = {}
    for file in files:
        if isinstance(file, VideoFrame):
            videos.setdefault(file.path, set()).add(file.number)
        else:
            images[file] = None
    facts = list(pool.map(inspect_image, images))
    for frames in pool.map(_inspect_video, videos, videos.values()):
        facts += frames
    return {image.path: image for image in facts}


def inspect_image(path: Path) -> ImageFacts:
    """Decode an image. Never raises for an invalid file: the error is part of the facts.

    A truncated JPEG decodes without an error, its missing part gray, so the end marker of the
    file is checked as well.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return ImageFacts(path, error.strerror or "cannot be read")
    if not data:
        return ImageFacts(path, "empty file")
    if _is_truncated(data):
        return ImageFacts(path, f"cut short: no end mark after {len(data)} bytes")
    try:
        image, warning = decode_image(data, cv2.IMREAD_UNCHANGED)
    except ValueError as error:
        return ImageFacts(path, str(error))
    return ImageFacts(path, warning, (image.shape[1], image.shape[0]), is_blank(image))


def _inspect_video(path: Path, numbers: set[int]) -> list[ImageFacts]:
    """The facts of the frames ``numbers``, up to the first that cannot be read."""
    facts: list[ImageFacts] = []
    for number in sorted(numbers):
        frame = VideoFrame(path, number)
        try:
            image = read_video_frame(frame)
        except (ValueError, OSError) as error:
            return [*facts, ImageFacts(frame, str(error).partition(": ")[2] or str(error))]
        facts.append(ImageFacts(frame, "", (image.shape[1], image.shape[0]), is_blank(image)))
    return facts


def numbering_gap(files: tuple[FrameFile, ...]) -> Path | None:
    """The first file whose number breaks the usual step between frames, or ``None``."""
    paths = [file for file in files if isinstance(file, Path)]
    numbers = [re.findall(r"\d+", path.stem) for path in paths]
    if len(paths) < 3 or not all(numbers):
        return None
    values = [int(digits[-1]) for digits in numbers]
    steps = [number - previous for previous, number in pairwise(values)]
    usual = sorted(steps)[len(steps) // 2]
    return next((paths[index + 1] for index, step in enumerate(steps) if step != usual), None)


def _is_truncated(data: bytes) -> bool:
    tail = data[-_TAIL_BYTES:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in tail
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    return False
