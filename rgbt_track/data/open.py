"""``open_dataset``: the sequences of a described data set, found and read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rgbt_track.data.description import load_description
from rgbt_track.data.discovery import choose, find_items, split_items
from rgbt_track.data.readers import read_item
from rgbt_track.data.sequence import Sequence


def open_dataset(
    name: str | Path,
    root: str | Path,
    split: str | None = None,
    sequences: Collection[str] | None = None,
) -> list[Sequence]:
    """Find and read the sequences of a data set, in natural order of their names.

    ``name`` is a shipped description or the path of one; ``root`` is where the user put the set.
    ``split`` and ``sequences`` (names) choose a part. No image is read, except masks that have to
    give the boxes. Raises ``FileNotFoundError`` or ``ValueError`` in one line for a missing root,
    a tree of another shape, frames and labels that do not match, and unreadable labels.
    """
    description, root = load_description(name), Path(root)
    items = find_items(description, root)
    if split is not None:
        items = split_items(description.split(split), root, items)
    if description.layout != "stills":
        items = choose(items, sequences, root)
        sequences = None
    found = [sequence for item in items for sequence in read_item(description, item)]
    return choose(found, sequences, root)
