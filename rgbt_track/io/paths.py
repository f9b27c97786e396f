"""The one check of a command's inputs and outputs, made before any work starts.

Names are compared by what they lead to: links are followed, and two names of one file count as one.
So no output can replace an input, and no two outputs each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from rgbt_track.io.files import output_path, partial_path
from rgbt_track.io.images import IMAGE_SUFFIXES
from rgbt_track.io.videos import VIDEO_SUFFIXES

Key = tuple[int, int] | str


def check_paths(
    *,
    inputs: Mapping[str, str | Path | None],
    files: Mapping[str, Path | None] | None = None,
    folders: Mapping[str, Path | None] | None = None,
    frames: Iterable[Path] = (),
) -> None:
    """Refuse outputs that cannot be written, or would overwrite an input or each other.

    Each mapping is from an option's name to its path, ``None`` where it is not given. Of a file
    that is written row by row, the temporary name counts as well.

    Args:
        inputs: files and folders that are read; what does not exist (a camera, a shipped name) is
            not compared.
        files: files to write; their folders must be there.
        folders: folders to write to; the one above must be there, or be made.
        frames: further files that are read.

    Raises:
        FileNotFoundError: the folder of an output does not exist.
        ValueError: a device, pipe or socket as output, an empty name or one that is not UTF-8, a
            folder for a file or the reverse, one file twice, an image or video among the frames
            of an input folder.
    """
    read = {
        _key(path): f"is also the input {name}" for name, path in _given(inputs) if path.exists()
    }
    read.update((_key(path), "is also an input") for path in frames)
    sources = {_key(path): name for name, path in _given(inputs) if path.is_dir()}
    for name, path in _given(folders):
        _check_name(name, path)
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"{name} {path} is a file; give a folder")
        if _key(path) in read:
            raise ValueError(f"{name} {path} {read[_key(path)]}: give another folder")
    taken = dict(read)
    for name, path in _given(files):
        _check_file(name, path)
        # Both temporary names of a name without a suffix are one.
        partial = (partial_path(path), partial_path(path, keep_suffix=True))
        for key, written in {_key(written): written for written in (path, *partial)}.items():
            if key in taken:
                raise ValueError(f"{name} {written} {taken[key]}: give another name")
            taken[key] = f"is also the output {name}"
        source = sources.get(_key(path.parent))
        if source is not None and path.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
            raise ValueError(
                f"{name} {path} would be a frame of {source}: give a name in another folder"
            )


def check_distinct(what: str, names: Iterable[tuple[str, object]]) -> None:
    """``ValueError`` where two things have one name: ``names`` are pairs (name, what has it).

    ``what`` says what is written under the name, for instance "results".
    """
    owners: dict[str, object] = {}
    for name, owner in names:
        key = os.path.normcase(name)
        if key in owners:
            raise ValueError(f"{owners[key]} and {owner} both have the name {name!r} for {what}")
        owners[key] = owner


def _given(paths: Mapping[str, str | Path | None] | None) -> list[tuple[str, Path]]:
    return [(name, Path(path)) for name, path in (paths or {}).items() if path is not None]


def _key(path: Path) -> Key:
    """What a name leads to: the file's own number, or the resolved name where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.normcase(os.path.realpath(path))
    if not status.st_ino:  # a file system without numbers
        return os.path.normcase(os.path.realpath(path))
    return status.st_dev, status.st_ino


def _check_name(name: str, path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} {str(path)!r}: not a name in UTF-8; give another one") from None
    output_path(path)


def _check_file(name: str, path: Path) -> None:
    _check_name(name, path)
    if path.is_dir():
        raise ValueError(f"{name} {path} is a folder; give the name of a file")
    if not output_path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"{name} {path}: the folder does not exist")
