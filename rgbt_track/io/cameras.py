"""Live sources: cameras and network streams, grabbed in a thread so that the newest frame is ready.

A tracker that is slower than its camera would fall behind by a growing delay if it worked through
a queue. Here each new frame takes the place of the last one, and frames that nobody took are
counted.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.video.reader import TimedImage, VideoReader

Image = NDArray[np.generic]

_JOIN_SECONDS = 2.0
_DEVICE = re.compile(r"/dev/video(\d+)|(\d{1,3})")


class LiveSource(AbstractContextManager["LiveSource"]):
    """The newest frame of a camera or a stream; times are seconds since the first frame came.

    It grabs from the beginning, and stops with ``close``. ``dropped`` counts
    the frames that a newer one replaced before they were taken; ``error`` says what ended a stream
    that broke off.

    Args:
        name: what errors and windows call it.
        read: the next frame, or ``None`` at the end; called in the thread.
        release: closes what ``read`` reads from.
        fps: frames per second, where known.
    """

    is_live = True
    length: int | None = None

    def __init__(
        self,
        name: str,
        read: Callable[[], Image | None],
        release: Callable[[], None],
        fps: float | None = None,
    ):
        self.name, self.fps = name, fps
        self.dropped, self.error = 0, ""
        self._read, self._release = read, release
        self._changed = threading.Condition()
        self._newest: TimedImage | None = None
        self._arrival = -float("inf")
        self._is_new = self._ended = self._stopping = False
        self._thread = threading.Thread(target=self._grab, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Image]:
        while (frame := self.take()) is not None:
            yield frame.image

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the stream has ended and its last frame was taken."""
        with self._changed:
            return self._ended and not self._is_new

    def recent(self, seconds: float) -> TimedImage | None:
        """The last frame, taken before or not, unless it came more than ``seconds`` ago."""
        with self._changed:
            return self._newest if time.monotonic() - self._arrival <= seconds else None

    def take(self, timeout: float | None = None) -> TimedImage | None:
        """The newest frame not taken yet; waits for it, at most ``timeout`` seconds.

        ``None`` at the end of the stream, or when the time is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_new or self._ended, timeout)
            if not self._is_new:
                return None
            self._is_new = False
            return self._newest

    def close(self) -> None:
        """Stop grabbing and release the camera."""
        self._stopping = True
        self._thread.join(_JOIN_SECONDS)

    def _grab(self) -> None:
        start = None
        try:
            while not self._stopping and (image := self._read()) is not None:
                now = time.monotonic()
                start = now if start is None else start
                with self._changed:
                    self.dropped += self._is_new
                    self._arrival = now
                    self._newest, self._is_new = TimedImage(now - start, image), True
                    self._changed.notify_all()
        except (ValueError, OSError, cv2.error) as error:
            self.error = str(error)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._release()


def is_camera(address: str) -> bool:
    """Whether an address is a camera: its index, or ``/dev/videoN``."""
    return _DEVICE.fullmatch(address) is not None


def open_camera(address: str, thermal: bool = False) -> LiveSource:
    """A camera by its index or ``/dev/videoN``; a thermal one in its 16 bits (Y16) if it has them.

    Raises ``ValueError`` where it cannot be opened.
    """
    match = _DEVICE.fullmatch(address)
    assert match is not None
    # V4L2 by its own name: the index of other backends need not be that of /dev/videoN.
    backend = cv2.CAP_V4L2 if match[1] and sys.platform == "linux" else cv2.CAP_ANY
    capture = cv2.VideoCapture(int(match[1] or match[2]), backend)
    if not capture.isOpened():
        raise ValueError(f"camera {address}: cannot be opened; is it connected and free?")
    if thermal:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"Y16 "))
    is_raw = thermal and _fourcc(capture) == "Y16 "
    if is_raw:
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    size = tuple(
        int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )

    def read() -> Image | None:
        done, image = capture.read()
        if not done:
            return None
        return y16_image(image, size) if is_raw else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    rate = capture.get(cv2.CAP_PROP_FPS)
    return LiveSource(f"camera {address}", read, capture.release, rate if rate > 0 else None)


def open_stream(reader: VideoReader) -> LiveSource:
    """A live source of an open network stream."""
    frames = iter(reader)

    def read() -> Image | None:
        frame = next(frames, None)
        return frame.image if frame is not None else None

    return LiveSource(reader.name, read, reader.close, reader.fps)


def y16_image(data: NDArray[np.generic], size: tuple[int, ...]) -> NDArray[np.uint16]:
    """What OpenCV's backends give for Y16 -> (H, W) uint16.

    They deliver the same bytes as (H, W) uint16, as (H, W, 2) uint8 or as one row of bytes. Lines
    of telemetry that cameras append below the image are cut off.

    Args:
        data: a frame as it came.
        size: width and height of the image.

    Raises ``ValueError`` for fewer bytes than that.
    """
    width, height = size
    values = np.ascontiguousarray(data).reshape(-1).view(np.uint16)
    if values.size < width * height:
        raise ValueError(f"a Y16 frame of {values.nbytes} bytes for {width}x{height} pixels")
    return values[: width * height].reshape(height, width)


def _fourcc(capture: Any) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    return code.to_bytes(4, "little").decode("latin-1")
