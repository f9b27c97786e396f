"""Frames of one modality: from a folder, a list of files, a video, a camera or a network stream."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.cameras import LiveSource, is_camera, open_camera, open_stream
from rgbt_track.io.files import read_lines
from rgbt_track.io.images import IMAGE_SUFFIXES, natural_key, read_rgb, read_tir
from rgbt_track.io.video.reader import TimedImage, VideoReader

Image = NDArray[np.generic]
_MAX_CAMERA = 999

_LIST_SUFFIXES = (".txt", ".lst")


class Source(Protocol):
    """Frames in order; ``length`` and ``fps`` are ``None`` where they are unknown."""

    name: str
    length: int | None
    fps: float | None

    def __iter__(self) -> Iterator[Image]: ...


class FolderSource:
    """Image files: of a folder, in natural order ("frame2" before "frame10"), or as listed.

    Args:
        folder: where they lie, which is the source's name.
        thermal: whether they are read as they are stored (8 or 16 bits) or as RGB.
        paths: the files; without it, all images of the folder.
    """

    fps: float | None = None

    def __init__(self, folder: Path, thermal: bool, paths: Sequence[Path] | None = None):
        self.name = str(folder)
        self._read = read_tir if thermal else read_rgb
        if paths is None:
            files = (path for path in folder.iterdir() if not path.name.startswith("."))
            images = (path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
            paths = sorted(images, key=lambda path: (natural_key(path.name), path.name))
        self.paths = list(paths)
        self.length: int | None = len(self.paths)
        if not self.paths:
            raise ValueError(f"{folder}: no frames; expected images ({', '.join(IMAGE_SUFFIXES)})")

    def __iter__(self) -> Iterator[Image]:
        return (self._read(path) for path in self.paths)


class VideoSource:
    """One video file, or several that follow each other; its frames have times.

    Args:
        name: what errors call it.
        readers: the open videos, in order.
    """

    def __init__(self, name: str, readers: Sequence[VideoReader]):
        self.name, self._readers = name, list(readers)
        lengths, durations = ([getattr(r, key) for r in readers] for key in ("length", "duration"))
        self.length: int | None = None if None in lengths else sum(lengths)
        self.duration: float | None = None if None in durations else sum(durations)
        self.fps: float | None = readers[0].fps

    def __iter__(self) -> Iterator[Image]:
        return (frame.image for frame in self.timed())

    def timed(self) -> Iterator[TimedImage]:
        """The frames with their seconds from the first one."""
        start = 0.0
        for reader in self._readers:
            last = 0.0
            for frame in reader:
                last = frame.seconds
                yield TimedImage(start + frame.seconds, frame.image)
            start += last + 1 / (reader.fps or 25.0)
            reader.close()


def open_source(address: str | Path, thermal: bool = False) -> Source:
    """A source from its address; cameras and endless streams are live (``LiveSource``).

    Args:
        address: a folder of frames; an image or a video; a pattern of either (``ir/*.png``); a text
            file that lists them, one a line, relative to itself; a camera's index or
            ``/dev/videoN``; or a URL (rtsp, http, ...).
        thermal: whether frames are read in the depth that they are stored in.

    Raises ``FileNotFoundError`` where there is nothing, ``ValueError`` where there are no frames.
    """
    text, path = str(address), Path(address)
    if text.isdecimal() and not path.exists() and not is_camera(text):
        raise ValueError(f"no camera {address}: the index is at most {_MAX_CAMERA}")
    if is_camera(text) and not path.is_file() and not path.is_dir():
        return open_camera(text, thermal)
    if "://" in text:
        reader = VideoReader(text, thermal)
        if reader.length is None and reader.duration is None:
            return open_stream(reader)
        return VideoSource(reader.name, [reader])
    if path.is_dir():
        return FolderSource(path, thermal)
    if path.is_file() and path.suffix.lower() in _LIST_SUFFIXES:
        lines = [line for line in read_lines(path) if line]
        return _open_files(path, [path.parent / line for line in lines], thermal)
    if path.is_file():
        return _open_files(path, [path], thermal)
    if glob.has_magic(text):
        files = sorted(
            (Path(match) for match in glob.glob(text)), key=lambda p: natural_key(str(p))
        )
        return _open_files(path, files, thermal)
    raise FileNotFoundError(f"no such folder or video: {path}")


def _open_files(name: Path, paths: list[Path], thermal: bool) -> Source:
    """Images, or videos that follow each other; ``ValueError`` for a mixture or none."""
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{name}: no such file: {path}")
    images = [path.suffix.lower() in IMAGE_SUFFIXES for path in paths]
    if not paths:
        raise FileNotFoundError(f"no file matches {name}")
    if all(images):
        return FolderSource(name, thermal, paths)
    if any(images):
        raise ValueError(f"{name}: images and other files mixed; give only images or only videos")
    return VideoSource(str(name), [VideoReader(path, thermal) for path in paths])


__all__ = ["FolderSource", "LiveSource", "Source", "VideoSource", "open_source"]
