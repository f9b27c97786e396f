"""Text files: read with one-line errors, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


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


def write_text(path: str | Path, text: str) -> None:
    """Write a text file so that no reader ever sees a part of it: a temporary name, then a move."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
