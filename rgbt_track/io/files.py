"""Files are written whole or not at all, and read with one-line errors."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_CHUNK = 1 << 20  # bytes read at a time


def output_path(path: str | Path) -> Path:
    """The file or folder that is written under a name: a link stays, and what it names is written.

    Raises ``ValueError`` for a device, pipe or socket, which no file may replace.
    """
    path = Path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path} is a device, pipe or socket; give the name of a file")
    return path


def partial_path(path: Path, keep_suffix: bool = False) -> Path:
    """The name of a file that grows, until it is complete; the suffix stays last for codecs."""
    return path.with_name(f"{path.stem}.part{path.suffix}" if keep_suffix else f"{path.name}.part")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A hidden temporary name beside ``path`` to write a file or folder to.

    What was written takes the place of ``path`` when the block ends; after an error it is removed.
    So no reader sees a partial file. The temporary name has the suffix of ``path``, for writers
    that depend on it, and the number of the process, for processes that write the same file. A
    folder takes its name only where none of that name is. Raises ``FileNotFoundError`` where the
    folder around ``path`` is missing, and as ``output_path``.
    """
    path = output_path(path)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    except FileNotFoundError:
        if path.parent.is_dir():
            raise
        raise FileNotFoundError(f"no such folder for {path.name}: {path.parent}") from None
    except OSError as error:
        # A full disk is reported without the file.
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def numbered_folder(parent: Path, stem: str) -> Path:
    """Make the first folder ``parent/stem1``, ``stem2``, ... that is not there yet."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / f"{stem}{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; names of files that are not, escaped."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


@contextmanager
def growing_file(path: Path) -> Iterator[TextIO]:
    """A text file flushed line by line as ``<path>.part`` and moved to its name at the end.

    After an error the ``.part`` file stays, with every row up to the error, if there is one. Raises
    as ``output_path``.
    """
    path = output_path(path)
    part = partial_path(path)
    try:
        with part.open("w", encoding="utf-8", newline="\n", buffering=1) as file:
            yield file
    finally:
        if part.is_file() and not part.stat().st_size:
            part.unlink()
    os.replace(part, path)


def read_lines(path: str | Path) -> list[str]:
    """The stripped lines of a text file without blank lines at its end.

    Raises ``FileNotFoundError`` where there is no such file and ``ValueError`` for a binary one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file") from None
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
