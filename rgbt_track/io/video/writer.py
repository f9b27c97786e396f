"""H.264 videos that browsers play, written with PyAV and counted before they are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.files import output_path, partial_path
from rgbt_track.io.video.reader import VideoReader

OUTPUT_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".avi")

# The first that this build of FFmpeg has: its own, Cisco's, Apple's, Microsoft's.
_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf")
_CLOCK = 90_000  # ticks per second, the clock of MPEG
_QUALITY = {"libx264": {"crf": "20", "preset": "veryfast"}}


class VideoFile:
    """A video written frame by frame as ``NAME.part.mp4`` and moved to its name when complete.

    It is H.264 in yuv420p, with the index in front, so that it plays while it loads. At the end it
    is opened again and its frames are counted. After an error the ``.part`` file stays, with every
    frame up to the error; the final name is never given to less than the whole.

    Args:
        path: .mp4 or another of ``OUTPUT_SUFFIXES``.
        fps: frames per second, for frames that are added without their time.

    Raises ``ValueError`` for another suffix, ``OSError`` where the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float):
        self.path = output_path(path)
        if self.path.suffix.lower() not in OUTPUT_SUFFIXES:
            raise ValueError(f"{self.path}: cannot write a video there; use a .mp4 path")
        self._part = partial_path(self.path, keep_suffix=True)
        self._fps = fps
        self._container: Any = None
        self._stream: Any = None
        self._shape: tuple[int, ...] = ()
        self._count, self._last_tick = 0, -1

    def __enter__(self) -> VideoFile:
        return self

    def add(self, rgb: NDArray[np.uint8], seconds: float | None = None) -> None:
        """Append a frame, (H, W, 3) RGB uint8, all of one size.

        ``seconds`` is its time from the first frame; without it frames follow at the video's rate.
        A side of odd length is lengthened by one pixel, which the format needs.
        """
        import av  # heavy, and needed by nothing but videos

        if self._container is None:
            self._open(rgb.shape)
        if rgb.shape != self._shape:
            raise ValueError(
                f"{self.path}: a frame of {rgb.shape[1]}x{rgb.shape[0]} pixels in a video of "
                f"{self._shape[1]}x{self._shape[0]}"
            )
        height, width = rgb.shape[:2]
        even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        tick = round((self._count / self._fps if seconds is None else seconds) * _CLOCK)
        self._last_tick = frame.pts = max(tick, self._last_tick + 1)
        frame.time_base = Fraction(1, _CLOCK)
        self._write(frame)
        self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._container is None:
            return
        try:
            self._finish()
        except OSError:
            if error is None:
                raise
        if error is None:
            finish_video(self._part, self.path, self._count)

    def _open(self, shape: tuple[int, ...]) -> None:
        import av

        encoder = next((name for name in _ENCODERS if name in av.codecs_available), None)
        if encoder is None:
            raise ValueError(
                f"{self.path}: this build of PyAV has no H.264 encoder: pip install av"
            )
        is_mp4 = self.path.suffix.lower() in (".mp4", ".mov", ".m4v")
        with self._naming_errors():
            self._container = av.open(
                str(self._part), "w", options={"movflags": "+faststart"} if is_mp4 else {}
            )
        rate = Fraction(self._fps).limit_denominator(60_000)
        stream = self._container.add_stream(encoder, rate=rate, options=_QUALITY.get(encoder, {}))
        stream.height, stream.width = (side + side % 2 for side in shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        self._stream, self._shape = stream, shape

    def _write(self, frame: Any) -> None:
        with self._naming_errors():
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    def _finish(self) -> None:
        try:
            self._write(None)
        finally:
            with self._naming_errors():
                self._container.close()

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        import av

        try:
            yield
        except av.FFmpegError as error:
            raise OSError(f"{self.path}: cannot be written: {error.strerror}") from None


def finish_video(part: Path, path: Path, frames: int) -> None:
    """Give a written video its name, if it opens and has ``frames`` frames.

    Otherwise it is removed, with ``OSError``.
    """
    try:
        reader = VideoReader(part)
        readable = reader.count()
        reader.close()
    except (ValueError, OSError):
        readable = 0
    if readable < frames:  # an interruption may come between writing one and counting it
        part.unlink(missing_ok=True)
        raise OSError(
            f"{path}: {readable} of {frames} frames could be read back, so no video is kept; "
            "is the disk full?"
        )
    os.replace(part, path)
