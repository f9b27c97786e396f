"""Single frames of video files, read in any order, fastest in sequence.

Frames are counted by decoding: number k is what a reader gets who reads from the beginning. Seeking
by time stamp would return other frames in files of variable frame rate. So a later frame costs
the decoding of those between, and an earlier one a new start; for random access, pack the
frames first (``rgbt-track data lmdb``). Each thread keeps the few videos open
that it read last.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.video.reader import TimedImage, VideoReader

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".ts")
_MAX_OPEN = 2  # a visible and a thermal file, per thread


@dataclass(frozen=True)
class VideoFrame:
    """Frame ``number`` (from 0) of the video file ``path``."""

    path: Path
    number: int

    @property
    def name(self) -> str:
        """The file's name with the frame's number."""
        return f"{self.path.name} frame {self.number}"

    def __str__(self) -> str:
        return f"{self.path}: frame {self.number}"


def read_video_frame(frame: VideoFrame, thermal: bool = False) -> NDArray[np.generic]:
    """Decode one frame: (H, W, 3) uint8 RGB, or a thermal one as it is stored (``VideoReader``).

    Raises ``FileNotFoundError`` for a missing file and ``ValueError`` for one that is no video or
    ends before the frame.
    """
    return _decoder(frame.path, thermal).read(frame.number)


def count_frames(path: Path) -> int:
    """The number of frames of a video, by its header, or by decoding where that does not say.

    Raises as ``read_video_frame``.
    """
    return _decoder(path, False).length()


class _Decoder:
    """One open video; ``_position`` is the number of the frame that comes next."""

    def __init__(self, path: Path, thermal: bool):
        self._path, self._thermal = path, thermal
        self._last: TimedImage | None = None
        self._begin()

    def read(self, number: int) -> NDArray[np.generic]:
        if number < self._position - 1:
            self._begin()
        while self._position <= number:
            frame = next(self._frames, None)
            if frame is None:
                raise ValueError(
                    f"{self._path}: frame {number} cannot be read: the video ends after "
                    f"{self._position} frames"
                )
            self._last = frame
            self._position += 1
        assert self._last is not None
        return self._last.image

    def length(self) -> int:
        if self._reader.length is not None:
            return self._reader.length
        counted = VideoReader(self._path)
        try:
            return counted.count()
        finally:
            counted.close()

    def _begin(self) -> None:
        self._reader = VideoReader(self._path, self._thermal)
        self._frames = iter(self._reader)
        self._position = 0
        self._last = None


_local = threading.local()


def _decoder(path: Path, thermal: bool) -> _Decoder:
    """This thread's decoder of a file, opened if it is not; the one unused longest is closed."""
    if not path.is_file():
        raise FileNotFoundError(f"no such video: {path}")
    if getattr(_local, "process", None) != os.getpid():
        # Inherited over a fork: releasing them would wait for threads only the parent has.
        _local.inherited = (getattr(_local, "inherited", ()), getattr(_local, "decoders", {}))
        _local.process, _local.decoders = os.getpid(), {}
    decoders: dict[tuple[Path, int, bool], _Decoder] = _local.decoders
    key = (path, path.stat().st_mtime_ns, thermal)
    decoder = decoders.pop(key, None) or _Decoder(path, thermal)
    decoders[key] = decoder  # the last in order is the one used last
    if len(decoders) > _MAX_OPEN:
        del decoders[next(iter(decoders))]
    return decoder
