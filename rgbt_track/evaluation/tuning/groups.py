"""Groups of sequences out of several data sets, with equal weights whatever their sizes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from rgbt_track.data.open import open_dataset
from rgbt_track.data.sequence import Sequence
from rgbt_track.evaluation.tuning.views import SequenceView

# A path may begin with the letter of a Windows drive, whose colon separates nothing.
_PART = r"((?:[A-Za-z]:[\\/])?[^:]+)"
_GROUP = re.compile(rf"([^=:]+)=(?:{_PART}):(?:{_PART})(?::(.+))?")


@dataclass(frozen=True)
class Group:
    """Some runs under one name, for instance those in smoke."""

    name: str
    views: tuple[SequenceView, ...]


def open_group(text: str) -> tuple[str, list[Sequence]]:
    """A name and its sequences, out of ``NAME=DATASET:ROOT`` or ``NAME=DATASET:ROOT:PATTERNS``.

    ``DATASET`` is a described data set's name or a description's YAML, ``PATTERNS`` are names of
    sequences separated by commas, with ``*`` and ``?``. Raises ``ValueError`` for another form and
    for a pattern that no sequence matches, and as ``open_dataset`` does.
    """
    form = _GROUP.fullmatch(text)
    if form is None:
        raise ValueError(f"{text!r} is no group; expected NAME=DATASET:ROOT or with :PATTERNS")
    name, dataset, root, patterns = form.groups()
    sequences = open_dataset(dataset, root)
    if patterns is None:
        return name, sequences
    names = [pattern.strip() for pattern in patterns.split(",")]
    for pattern in names:
        if not any(fnmatch(sequence.name, pattern) for sequence in sequences):
            raise ValueError(f"{text}: no sequence of {root} matches {pattern!r}")
    return name, [s for s in sequences if any(fnmatch(s.name, pattern) for pattern in names)]


def view_group(
    opened: Iterable[tuple[str, Collection[Sequence]]], *, backward: bool = False, **options: Any
) -> list[Group]:
    """Groups of runs over opened sequences; with ``backward`` each sequence also from its end.

    ``options`` are those of ``SequenceView``. Raises ``ValueError`` for two groups of one name, and
    as ``SequenceView`` does.
    """
    groups: dict[str, Group] = {}
    for name, sequences in opened:
        if name in groups:
            raise ValueError(f"two groups are called {name!r}: give each its own name")
        views = [
            SequenceView(sequence, backward=direction, **options)
            for direction in ((False, True) if backward else (False,))
            for sequence in sequences
        ]
        groups[name] = Group(name, tuple(views))
    return list(groups.values())


def fingerprint(groups: Collection[Group]) -> str:
    """16 hex digits of the data of a search: names, modalities, directions, and the labels.

    Labels include their length; images are not read.
    """
    content = [
        (group.name, view.name, view.modalities, view.annotation.digest)
        for group in groups
        for view in group.views
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
