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

import cv2
import numpy as np
from numpy.typing import NDArray

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


def read_video_frame(frame: VideoFrame) -> NDArray[np.uint8]:
    """Decode one frame as (H, W, 3) uint8 RGB.

    Raises ``FileNotFoundError`` for a missing file and ``ValueError`` for one that is no video or
    ends before the frame.
    """
    return _decoder(frame.path).read(frame.number)


def count_frames(path: Path) -> int:
    """The number of frames of a video, by its header, or by decoding where that does not say.

    Raises as ``read_video_frame``.
    """
    return _decoder(path).length()


class _Decoder:
    """One open video; ``_position`` is the number of the frame that comes next."""

    def __init__(self, path: Path):
        self._path = path
        self._begin()

    def read(self, number: int) -> NDArray[np.uint8]:
        if number < self._position - 1:
            self._begin()
        while self._position <= number:
            if not self._capture.grab():
                raise ValueError(
                    f"{self._path}: frame {number} cannot be read: the video ends after "
                    f"{self._position} frames"
                )
            self._position += 1
        read, image = self._capture.retrieve()
        if not read:
            raise ValueError(f"{self._path}: frame {number} cannot be decoded")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def length(self) -> int:
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if count > 0:
            return count
        while self._capture.grab():
            self._position += 1
        return self._position

    def _begin(self) -> None:
        self._capture = cv2.VideoCapture(str(self._path))
        if not self._capture.isOpened():
            raise ValueError(f"{self._path}: not a readable video")
        self._position = 0


_local = threading.local()


def _decoder(path: Path) -> _Decoder:
    """This thread's decoder of a file, opened if it is not; the one unused longest is closed."""
    if not path.is_file():
        raise FileNotFoundError(f"no such video: {path}")
    if getattr(_local, "process", None) != os.getpid():
        # Inherited over a fork: releasing them would wait for threads only the parent has.
        _local.inherited = (getattr(_local, "inherited", ()), getattr(_local, "decoders", {}))
        _local.process, _local.decoders = os.getpid(), {}
    decoders: dict[tuple[Path, int], _Decoder] = _local.decoders
    key = (path, path.stat().st_mtime_ns)
    decoder = decoders.pop(key, None) or _Decoder(path)
    decoders[key] = decoder  # the last in order is the one used last
    if len(decoders) > _MAX_OPEN:
        del decoders[next(iter(decoders))]
    return decoder
