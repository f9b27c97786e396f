"""Finding a data set's sequences on disk, in natural order, and selecting some of them.

A folder is a sequence (or a group of stills) when it holds the folders that the description names.
Searching for that, instead of prescribing the depth, lets a set lie as its archives unpack: with a
folder around it, in parts, or with its splits apart.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol, TypeVar

from rgbt_track.data.description import SplitDescription
from rgbt_track.io.files import read_lines
from rgbt_track.io.images import natural_key
from rgbt_track.resources import check_choice

T = TypeVar("T", bound="Named")
_DEPTH = 4


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Item:
    """A folder that holds one sequence or one group of stills.

    ``name`` is unique in the set, ``parts`` are the folders on the way to it from the root.
    """

    name: str
    folder: Path
    parts: tuple[str, ...]

    def look_up(self, file: str) -> Path | None:
        """A file in this folder or, failing that, in one above it up to the root."""
        for folder in (self.folder, *list(self.folder.parents)[: len(self.parts)]):
            if (folder / file).is_file():
                return folder / file
        return None


def find_items(root: Path, markers: Iterable[str]) -> list[Item]:
    """The folders under ``root`` that hold any of ``markers`` (files or folders), in natural order.

    Folders below one of them are not searched. A name that occurs twice is qualified by its parent
    folders.
    """
    folders = list(search_folders(root, tuple(markers)))
    counts = Counter(folder.name for folder in folders)
    items = []
    for folder in folders:
        parts = folder.relative_to(root).parts
        unique = counts[folder.name] == 1
        name = (folder.name or folder.resolve().name) if unique else "-".join(parts)
        items.append(Item(name, folder, parts))
    return sorted(items, key=lambda item: natural_key(item.name))


def search_folders(folder: Path, markers: tuple[str, ...], depth: int = _DEPTH) -> Iterator[Path]:
    """The folders that hold any of ``markers`` (names or patterns), ``depth`` levels down.

    Lazy: folders are searched as the caller iterates.
    """
    if any(_holds(folder, marker) for marker in markers):
        yield folder
    elif depth:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
        for name in sorted(names):
            if not name.startswith("."):
                yield from search_folders(folder / name, markers, depth - 1)


def _holds(folder: Path, marker: str) -> bool:
    if "*" in marker:
        return any(True for _ in folder.glob(marker))
    return (folder / marker).exists()


def select_items(items: list[T], names: Collection[str] | None, root: Path) -> list[T]:
    """The items (or sequences) of these names; ``ValueError`` for an unknown name."""
    if names is None:
        return items
    valid_names = [item.name for item in items]
    for name in names:
        check_choice(f"{root}: no sequence", name, valid_names)
    return [item for item in items if item.name in set(names)]


def split_items(split: SplitDescription, root: Path, items: list[Item]) -> list[Item]:
    """The items of a split, in the order of the release's list where there is one.

    The list is looked for in the root and one folder below; without it, the folders that a
    sequence lies in decide. Raises ``FileNotFoundError`` when neither tells, and when a listed
    sequence is missing.
    """
    for pattern in split.lists:
        for path in sorted([*root.glob(pattern), *root.glob(f"*/{pattern}")]):
            return _listed(path, items)
    selected = [item for item in items if _lies_in(split.folders, item.parts)]
    if not selected:
        raise FileNotFoundError(
            f"{root}: cannot tell which sequences are split {split.name!r}: expected the release's "
            f"list {' or '.join(split.lists) or '(none)'} or a folder "
            f"{' or '.join(split.folders) or '(none)'} in it"
        )
    return selected


def _listed(path: Path, items: list[Item]) -> list[Item]:
    by_name = {item.name: item for item in items}
    names = [name for name in read_lines(path) if name]
    if not names:
        raise ValueError(f"{path}: lists no sequence; is the file whole?")
    missing = [name for name in names if name not in by_name]
    if missing:
        raise FileNotFoundError(
            f"{path}: {len(missing)} of {len(names)} listed sequences are missing, {missing[0]!r} "
            "the first"
        )
    return [by_name[name] for name in names]


def _lies_in(patterns: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return any(fnmatch(part.lower(), pattern.lower()) for pattern in patterns for part in parts)
