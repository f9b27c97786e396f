"""What is checked of an image file around its decoding.

Before: its size by the header, since a decoder takes the memory that a header asks for. Afterwards:
what the JPEG library says of damaged data, which it decodes all the same.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
from collections.abc import Callable
from itertools import islice
from typing import IO, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 27
"""Largest image that is decoded, width times height: four times that of an 8K camera."""

_T = TypeVar("_T")
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG"
_DENSEST_PNG = 8 * 1032  # pixels a byte: 1 bit each, deflated as far as deflate goes
_TIFF_SIZES = {256: 0, 257: 1}  # tag: index in (width, height)
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ERRORS = 2  # the file number of the error stream
_stderr_lock = threading.Lock()
_captures: dict[int, IO[bytes]] = {}  # process number: the file that its error stream goes to


def decode_image(data: bytes, flags: int) -> tuple[NDArray[np.generic], str]:
    """Decode the bytes of an image file by OpenCV.

    Args:
        data: the file.
        flags: of ``cv2.imdecode``.

    Returns the image and what the JPEG library says of damaged data, "" where it says nothing.
    Raises ``ValueError`` for bytes that are no readable image or whose header asks for more than
    ``MAX_PIXELS``.
    """
    width, height = image_size(data)
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"an image of {width}x{height} pixels by its header; at most {MAX_PIXELS:,} are read"
        )
    if data.startswith(_PNG) and width * height > _DENSEST_PNG * len(data):
        raise ValueError(
            f"damaged: {len(data)} bytes cannot hold {width}x{height} pixels, as the header says"
        )
    values = np.frombuffer(data, np.uint8)
    try:
        if data.startswith(_JPEG):
            image, warning = _with_error_text(lambda: cv2.imdecode(values, flags))
        else:
            image, warning = cv2.imdecode(values, flags) if data else None, ""
    except cv2.error as error:
        raise ValueError(f"not a readable image: {error.err}") from None
    if image is None:
        raise ValueError(f"not a readable image ({len(data)} bytes)")
    return image, warning


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a PNG, JPEG, BMP, TIFF, WebP or PNM file; else (0, 0).

    Never raises: (0, 0) also stands for a header that is cut short.
    """
    try:
        return _read_size(data)
    except (struct.error, IndexError, ValueError):
        return 0, 0


def _read_size(data: bytes) -> tuple[int, int]:
    if data.startswith(_PNG):
        return struct.unpack_from(">II", data, 16)
    if data.startswith(_JPEG):
        return _jpeg_size(data)
    if data.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", data, 18)
        return abs(width), abs(height)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_size(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data[:1] == b"P" and data[1:2] in b"123456":
        lines = (line.partition(b"#")[0] for line in data[2:1024].splitlines())
        width, height = islice((word for line in lines for word in line.split()), 2)
        return int(width), int(height)
    return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return 0, 0
        marker = data[position + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        if marker == 0xFF:  # a byte of padding
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without contents
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return 0, 0


def _tiff_size(data: bytes) -> tuple[int, int]:
    order = "<" if data.startswith(b"II") else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    size = [0, 0]
    for entry in range(struct.unpack_from(f"{order}H", data, start)[0]):
        place = start + 2 + 12 * entry
        tag, kind = struct.unpack_from(f"{order}HH", data, place)
        if tag in _TIFF_SIZES:
            form = f"{order}{'H' if kind == 3 else 'I'}"
            size[_TIFF_SIZES[tag]] = struct.unpack_from(form, data, place + 8)[0]
    return size[0], size[1]


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
        return width, height
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _renew_lock() -> None:
    """In a forked process no other thread is left that would give the lock back."""
    global _stderr_lock
    _stderr_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_renew_lock)


def _with_error_text(work: Callable[[], _T]) -> tuple[_T, str]:
    """The result of ``work``, and what a library wrote to the error stream meanwhile.

    The JPEG library reports nowhere else. One thread at a time: the stream is the process's.
    """
    with _stderr_lock:
        process = os.getpid()
        if process not in _captures:  # one of a process's own, also after a fork
            _captures[process] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        text = _captures[process]
        try:
            stream = os.dup(_ERRORS)
        except OSError:  # a program without an error stream
            return work(), ""
        try:
            os.dup2(text.fileno(), _ERRORS)
            result = work()
        finally:
            os.dup2(stream, _ERRORS)
            os.close(stream)
        if not os.fstat(text.fileno()).st_size:
            return result, ""
        text.seek(0)
        said = text.read().decode("utf-8", "replace")
        text.seek(0)
        text.truncate()
        return result, " ".join(said.split())
