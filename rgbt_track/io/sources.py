"""Frames from a folder, a video file or a camera, one modality or two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.frames import Frame
from rgbt_track.io.images import IMAGE_SUFFIXES, natural_key, read_rgb, read_tir

Image = NDArray[np.generic]
_MAX_CAMERA = 999


class Source(Protocol):
    """Frames in order; ``length`` and ``fps`` are ``None`` where they are unknown."""

    name: str
    length: int | None
    fps: float | None

    def __iter__(self) -> Iterator[Image]: ...


class FolderSource:
    """The images of a folder in natural order ("frame2" before "frame10")."""

    fps: float | None = None

    def __init__(self, folder: Path, thermal: bool):
        self.name = str(folder)
        self._read = read_tir if thermal else read_rgb
        files = (path for path in folder.iterdir() if not path.name.startswith("."))
        images = (path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
        self.paths = sorted(images, key=lambda path: (natural_key(path.name), path.name))
        self.length: int | None = len(self.paths)
        if not self.paths:
            raise ValueError(f"{folder}: no frames; expected images ({', '.join(IMAGE_SUFFIXES)})")

    def __iter__(self) -> Iterator[Image]:
        return (self._read(path) for path in self.paths)


class VideoSource:
    """A video file, or a camera by its index; a camera never ends by itself."""

    def __init__(self, address: Path | int):
        self.name = f"camera {address}" if isinstance(address, int) else str(address)
        self._capture = cv2.VideoCapture(address if isinstance(address, int) else str(address))
        if not self._capture.isOpened():
            remedy = "is it connected and free?" if isinstance(address, int) else "not a video?"
            raise ValueError(f"{self.name}: cannot be opened; {remedy}")
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length: int | None = count if count > 0 else None
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = rate if rate > 0 else None

    def __iter__(self) -> Iterator[Image]:
        while True:
            read, frame = self._capture.read()
            if not read:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def open_source(address: str | Path, thermal: bool = False) -> Source:
    """A source from a folder of frames, a video file, or a camera's index as digits.

    Raises ``FileNotFoundError`` where there is nothing, ``ValueError`` where there are no frames.
    """
    if str(address).isdecimal() and not Path(address).exists():
        number = int(str(address))
        if number > _MAX_CAMERA:
            raise ValueError(f"no camera {address}: the index is at most {_MAX_CAMERA}")
        return VideoSource(number)
    path = Path(address)
    if path.is_dir():
        return FolderSource(path, thermal)
    if path.is_file():
        return VideoSource(path)
    raise FileNotFoundError(f"no such folder or video: {path}")


class PairedFrames:
    """Frame pairs of two sources; a source that is ``None`` gives ``None`` frames.

    Folders of unequal length are rejected at once, a video that ends early when it ends. Both raise
    ``ValueError`` with the two counts.
    """

    def __init__(self, rgb: Source | None, tir: Source | None):
        sources = [source for source in (rgb, tir) if source is not None]
        if not sources:
            raise ValueError("no input: give --rgb SRC, --tir SRC, or both")
        self.rgb, self.tir = rgb, tir
        self.length = min((s.length for s in sources if s.length is not None), default=None)
        self.fps = next((s.fps for s in sources if s.fps is not None), None)
        if isinstance(rgb, FolderSource) and isinstance(tir, FolderSource):
            self._check_counts(len(rgb.paths), len(tir.paths))

    def __iter__(self) -> Iterator[tuple[Frame, Frame]]:
        rgb = iter(self.rgb) if self.rgb is not None else None
        tir = iter(self.tir) if self.tir is not None else None
        count = 0
        while True:
            frame_rgb = next(rgb, None) if rgb is not None else None
            frame_tir = next(tir, None) if tir is not None else None
            if frame_rgb is None and frame_tir is None:
                return
            if rgb is not None and tir is not None and (frame_rgb is None or frame_tir is None):
                self._check_counts(count + (frame_rgb is not None), count + (frame_tir is not None))
            count += 1
            yield frame_rgb, frame_tir

    def _check_counts(self, rgb_count: int, tir_count: int) -> None:
        if rgb_count == tir_count or self.rgb is None or self.tir is None:
            return
        longer, shorter = (self.rgb, self.tir) if rgb_count > tir_count else (self.tir, self.rgb)
        raise ValueError(
            f"unequal frame counts: {longer.name} goes on after the {min(rgb_count, tir_count)} "
            f"frames of {shorter.name}; the two must show the same moments"
        )
