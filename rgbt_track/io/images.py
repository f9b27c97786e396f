"""Reading and writing image files: visible ones as RGB, thermal ones as they are stored."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.files import atomic_path
from rgbt_track.io.image_guard import decode_image

_DIGITS = re.compile(r"(\d+)")

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")


class CorruptImageWarning(UserWarning):
    """An image whose data is damaged, and which was decoded as far as that goes."""


def read_rgb(path: str | Path) -> NDArray[np.uint8]:
    """Read a visible image as (H, W, 3) uint8 in RGB order.

    Raises ``FileNotFoundError`` or, for a file that is no readable image or too large a one,
    ``ValueError``; warns ``CorruptImageWarning``, naming the file, of damaged JPEG data.
    """
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_tir(path: str | Path) -> NDArray[np.generic]:
    """Read a thermal image as it is stored: (H, W) uint8 or uint16, or (H, W, 3) RGB of either.

    Raises and warns as ``read_rgb``; other types than 8 and 16 bits raise ``ValueError``.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return image
    code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(image, code)


def _decode(path: str | Path, flags: int) -> NDArray[np.generic]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such image: {path}")
    try:
        image, warning = decode_image(path.read_bytes(), flags)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path}: pixels of type {image.dtype}; expected 8 or 16 bits")
    if warning:
        warnings.warn(f"{path}: {warning}", CorruptImageWarning, stacklevel=3)
    return image


def check_image_name(path: str | Path) -> Path:
    """The path; ``ValueError`` unless its suffix is one of an image."""
    path = Path(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: not an image's name; valid: {', '.join(IMAGE_SUFFIXES)}")
    return path


def write_image(path: str | Path, rgb: NDArray[np.uint8]) -> None:
    """Write an (H, W) or (H, W, 3) RGB uint8 image atomically; the suffix names the format.

    Raises ``ValueError`` for a suffix that is no image's.
    """
    path = check_image_name(path)
    pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if rgb.ndim == 3 else rgb
    done, data = cv2.imencode(path.suffix, pixels)
    if not done:
        raise ValueError(f"{path}: cannot write an image of this format")
    with atomic_path(path) as part:
        part.write_bytes(data.tobytes())


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Sort key in which ``9`` comes before ``10``."""
    return [
        (0, int(part)) if part.isdecimal() else (1, part) for part in _DIGITS.split(text) if part
    ]


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder in natural order; ``FileNotFoundError`` where there are none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.lower().endswith(IMAGE_SUFFIXES) and not entry.name.startswith(".")
        ]
    if not names:
        raise FileNotFoundError(f"{folder}: no images; expected {', '.join(IMAGE_SUFFIXES)}")
    return [folder / name for name in sorted(names, key=lambda name: (natural_key(name), name))]
