"""Decoding of video files and network streams with PyAV: every bit of the sensor, and time stamps.

Thermal cameras record 10 to 16 bits (FFV1 or raw ``gray10`` to ``gray16``, HEVC in 10 bits): these
arrive as uint16, where a conversion to 8 bits would leave a dozen gray levels of the scene.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.generic]

_TIMEOUT_SECONDS = 10.0
# Begin with the first frame in place of collecting seconds of them to estimate the rate.
_STREAM_OPTIONS = {"analyzeduration": "500000", "fpsprobesize": "0"}
_CREDENTIALS = re.compile(r"//[^/@]*@")


class TimedImage(NamedTuple):
    """A decoded frame, and its time in seconds from the first one."""

    seconds: float
    image: Image


class VideoReader:
    """One open video, read from its beginning to its end.

    ``name`` is the address without credentials; ``size`` is (width, height) as stored; ``fps``,
    ``length`` (frames) and ``duration`` (seconds) are ``None`` where the container does not say.

    Args:
        address: a file, or the URL of a stream: rtsp, http, udp, ...
        thermal: more than 8 bits are read as they are, (H, W) uint16, and gray as (H, W) uint8;
            without it every frame is (H, W, 3) uint8 RGB.

    Raises ``ValueError`` for what is no video or cannot be reached.
    """

    def __init__(self, address: str | Path, thermal: bool = False):
        import av  # heavy, and needed by nothing but videos

        self.name = _CREDENTIALS.sub("//", str(address))
        is_url = "://" in str(address)
        options = dict(_STREAM_OPTIONS) if is_url else {}
        if str(address).startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            self._container = av.open(
                str(address), options=options, timeout=_TIMEOUT_SECONDS if is_url else None
            )
            self._stream = self._container.streams.video[0]
            codec = self._stream.codec_context
            if codec is None:
                raise IndexError("a stream of an unknown codec")
        except IndexError:
            raise ValueError(
                f"{self.name}: cannot be opened; it has no video that can be decoded"
            ) from None
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            remedy = f"is the address right? ({reason})" if is_url else "not a video?"
            raise ValueError(f"{self.name}: cannot be opened; {remedy}") from None
        self._stream.thread_type = "AUTO"
        self._errors = (av.FFmpegError, OSError, ValueError)
        self._target = _pixel_format(codec, thermal)
        self.size = (int(codec.width), int(codec.height))
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps: float | None = float(rate) if rate else None
        self.length: int | None = self._stream.frames or None
        self.duration = self._duration()

    def __iter__(self) -> Iterator[TimedImage]:
        """The frames still to come; ``ValueError`` where the data is damaged."""
        start, count = None, 0
        try:
            for frame in self._container.decode(self._stream):
                seconds = frame.time
                if seconds is None:  # a raw stream
                    seconds = count / (self.fps or 25.0)
                start = seconds if start is None else start
                count += 1
                yield TimedImage(seconds - start, self._to_array(frame))
        except self._errors as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"{self.name}: cannot be read on after {count} frames ({reason})"
            ) from None

    def count(self) -> int:
        """Frames of the file, counted without decoding; the reader is at its end then."""
        return sum(1 for packet in self._container.demux(self._stream) if packet.size)

    def close(self) -> None:
        """Close the file or the connection."""
        self._container.close()

    def _duration(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return self._container.duration / 1e6
        return None

    def _to_array(self, frame: Any) -> Image:
        image = frame.to_ndarray(format=self._target)
        turns = round(getattr(frame, "rotation", 0) / 90)  # of a phone held upright
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _pixel_format(codec: Any, thermal: bool) -> str:
    """What frames are converted to: the stored depth of thermal video, RGB for all else."""
    if not thermal or codec.format is None:
        return "rgb24"
    components = codec.format.components
    if max(component.bits for component in components) > 8:
        return "gray16le"
    return "gray" if len(components) == 1 and not codec.format.has_palette else "rgb24"
