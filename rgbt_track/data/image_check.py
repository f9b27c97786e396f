"""Whether image files are whole: decodable, not cut short, not empty, none missing between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from rgbt_track.io.frames import is_blank

_TAIL_BYTES = 256


@dataclass(frozen=True)
class ImageFacts:
    """What a look at a file found; ``fault`` is empty for a whole one, ``size`` is (W, H)."""

    path: Path
    fault: str = ""
    size: tuple[int, int] = (0, 0)
    blank: bool = False


def look_at_image(path: Path) -> ImageFacts:
    """Decode an image. Never raises for what the file is: the fault is part of the answer.

    A truncated JPEG decodes without complaint, its missing part grey, so the file's own end mark
    is looked for as well.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return ImageFacts(path, error.strerror or "cannot be read")
    if not data:
        return ImageFacts(path, "empty file")
    if _is_cut_short(data):
        return ImageFacts(path, f"cut short: no end mark after {len(data)} bytes")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        return ImageFacts(path, f"not a readable image ({len(data)} bytes)")
    return ImageFacts(path, "", (image.shape[1], image.shape[0]), is_blank(image))


def numbering_gap(files: tuple[Path, ...]) -> Path | None:
    """The first file whose number does not follow from the others' usual step; ``None``: none."""
    numbers = [re.findall(r"\d+", path.stem) for path in files]
    if len(files) < 3 or not all(numbers):
        return None
    values = [int(found[-1]) for found in numbers]
    steps = [after - before for before, after in pairwise(values)]
    usual = sorted(steps)[len(steps) // 2]
    return next((files[at + 1] for at, step in enumerate(steps) if step != usual), None)


def _is_cut_short(data: bytes) -> bool:
    tail = data[-_TAIL_BYTES:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in tail
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    return False
