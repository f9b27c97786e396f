"""Check a copy of a data set: counts, lengths, unreadable images, implausible boxes.

All issues are reported, not only the first, so that a large release is repaired in one pass. Known
errors of the release itself are notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from rgbt_track.data.box_check import box_issues
from rgbt_track.data.description import DatasetDescription, load_description
from rgbt_track.data.discovery import Item
from rgbt_track.data.image_check import ImageFacts, inspect_files, numbering_gap
from rgbt_track.data.layouts.registry import LAYOUTS
from rgbt_track.data.open import open_items
from rgbt_track.data.sequence import FrameFile, Sequence
from rgbt_track.progress import OnProgress, ignore_progress

_THREADS = 4
_BATCH_IMAGES = 512


@dataclass(frozen=True)
class Issue:
    """An error or a note of a check; ``place`` is a file and row, or a sequence."""

    kind: Literal["error", "note"]
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Report:
    """The issues of a check and the numbers of sequences, frames and images checked."""

    issues: list[Issue]
    sequences: int
    frames: int
    images: int

    @property
    def errors(self) -> list[Issue]:
        """The issues of kind "error", which make a copy unfit for use."""
        return [issue for issue in self.issues if issue.kind == "error"]


class _ReadSequence(NamedTuple):
    item: Item
    sequence: Sequence


def check_dataset(
    name: str | Path, root: str | Path, quick: bool = False, split: str | None = None
) -> list[Issue]:
    """The errors and notes of a copy of a data set; ``inspect_dataset`` also counts images."""
    return inspect_dataset(name, root, quick, split).issues


def inspect_dataset(
    name: str | Path,
    root: str | Path,
    quick: bool = False,
    split: str | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Report:
    """Check a copy of a data set.

    ``quick`` decodes only the first and the last image of each folder of frames, otherwise all
    are decoded. ``on_progress`` gets the sequences done and in all. Raises as ``open_items``, for a
    root that is missing or holds nothing of the set.
    """
    description, root = load_description(name), Path(root)
    items = open_items(description, root, split)
    issues: list[Issue] = []
    reads = [
        _ReadSequence(item, sequence)
        for item in items
        for sequence in _read(description, item, issues)
    ]
    done, images = 0, 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for batch in _batches(reads, quick):
            files = [file for read in batch for file in _files(read.sequence, quick)]
            facts = inspect_files(files, pool)
            for read in batch:
                issues += _sequence_issues(description, read, facts)
            done, images = done + len(batch), images + len(facts)
            on_progress(done, len(reads))
    frames = sum(len(read.sequence) for read in reads)
    issues += _unlabelled(description, reads)
    issues += _count_issues(description, split, len(reads), frames)
    issues += _known_errors(description, items)
    return Report(issues, len(reads), frames, images)


def _read(description: DatasetDescription, item: Item, issues: list[Issue]) -> list[Sequence]:
    try:
        return LAYOUTS[description.layout].read(description, item)
    except (ValueError, OSError) as error:
        place, colon, text = str(error).partition(": ")
        issues.append(Issue("error", place if colon else item.name, text or str(error)))
        return []


def _files(sequence: Sequence, quick: bool) -> list[FrameFile]:
    folders: list[tuple[FrameFile, ...] | None] = [sequence.rgb, sequence.tir, sequence.masks]
    return [
        file for files in folders if files for file in ({files[0], files[-1]} if quick else files)
    ]


def _batches(reads: list[_ReadSequence], quick: bool) -> Iterator[list[_ReadSequence]]:
    """Sequences in groups of some hundred images: enough work for all threads at little memory."""
    batch: list[_ReadSequence] = []
    images = 0
    for read in reads:
        batch.append(read)
        images += len(_files(read.sequence, quick))
        if images >= _BATCH_IMAGES:
            yield batch
            batch, images = [], 0
    if batch:
        yield batch


def _sequence_issues(
    description: DatasetDescription, read: _ReadSequence, facts: dict[FrameFile, ImageFacts]
) -> Iterator[Issue]:
    sequence, sizes = read.sequence, []
    for files in (sequence.rgb, sequence.tir, sequence.masks):
        gap = numbering_gap(files or ())
        if gap:
            yield Issue("note", str(gap), "frame numbers jump here; are files missing before it?")
        images = [facts[path] for path in files or () if path in facts]
        yield from (Issue("error", str(image.path), image.error) for image in images if image.error)
        valid = [image for image in images if not image.error]
        changed = next((image for image in valid if image.size != valid[0].size), None)
        if changed:
            text = f"{_size(changed.size)} where {valid[0].path.name} has {_size(valid[0].size)}"
            yield Issue("error", str(changed.path), text)
        blank = [image for image in valid if image.blank and files is not sequence.masks]
        if blank:
            yield Issue("note", str(blank[0].path), f"{len(blank)} empty images, the first here")
        sizes.append(valid[0].size if valid else None)
    if sizes[0] and sizes[1] and sizes[0] != sizes[1]:
        text = f"visible images of {_size(sizes[0])}, thermal of {_size(sizes[1])}"
        yield Issue("note", sequence.name, text)
    for kind, problem, frames in box_issues(sequence, sizes[0] or sizes[1]):
        if len(frames):
            yield Issue(
                kind, _row(description, read, int(frames[0])), _describe(problem, len(frames))
            )


def _row(description: DatasetDescription, read: _ReadSequence, frame: int) -> str:
    """The label file and row of a frame; the sequence's name where labels are no rows."""
    row = (frame - description.label_first) // description.label_every + 1
    if not LAYOUTS[description.layout].one_sequence:
        return read.sequence.name
    for file in description.boxes or ("groundtruth.txt",):
        path = read.item.folder / file
        if path.is_file():
            return f"{path}: row {row}"
    return read.sequence.name


def _describe(problem: str, count: int) -> str:
    return f"box {problem}" if count == 1 else f"{count} boxes {problem}, the first here"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _unlabelled(description: DatasetDescription, reads: list[_ReadSequence]) -> Iterator[Issue]:
    names = [read.sequence.name for read in reads if not read.sequence.labelled.any()]
    if names:
        kind: Literal["error", "note"] = "note" if description.labels == "optional" else "error"
        text = f"{len(names)} of {len(reads)} sequences without a box, {names[0]} the first"
        yield Issue(kind, description.name, text)


def _count_issues(
    description: DatasetDescription, split: str | None, sequences: int, frames: int
) -> Iterator[Issue]:
    expected = description if split is None else description.split(split)
    place = f"{description.name}{f' {split}' if split else ''}"
    for unit, count, expected_count in (
        ("sequences", sequences, expected.sequences),
        ("frames", frames, expected.frames),
    ):
        if expected_count is not None and count != expected_count:
            yield Issue(
                "error", place, f"{count} readable {unit}; a whole copy has {expected_count}"
            )


def _known_errors(description: DatasetDescription, items: list[Item]) -> Iterator[Issue]:
    for known_error in description.known_faults:
        parts = Path(known_error.file).parts
        for item in items:
            is_item = item.folder.parts[-len(parts) :] == parts
            if is_item or item.folder.parts[-len(parts) + 1 :] == parts[:-1]:
                place = item.folder if is_item else item.folder / parts[-1]
                row = f": row {known_error.row}" if known_error.row else ""
                yield Issue(
                    "note", f"{place}{row}", f"known fault of the release: {known_error.note}"
                )
