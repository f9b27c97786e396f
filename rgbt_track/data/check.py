"""Is a copy of a data set whole? Counts, lengths, unreadable images, odd boxes.

Everything that is found is reported, not only the first fault: a release of a thousand sequences
is mended once. Faults that the release itself is known to have are notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from rgbt_track.data.box_check import box_remarks
from rgbt_track.data.description import DatasetDescription, load_description
from rgbt_track.data.discovery import Item
from rgbt_track.data.image_check import ImageFacts, look_at_files, numbering_gap
from rgbt_track.data.layouts.registry import LAYOUTS
from rgbt_track.data.open import open_items
from rgbt_track.data.sequence import FrameFile, Sequence
from rgbt_track.progress import OnProgress, ignore_progress

_THREADS = 4
_BATCH_IMAGES = 512


@dataclass(frozen=True)
class Finding:
    """One thing that was found; ``place`` is a file and row, or a sequence."""

    kind: Literal["error", "note"]
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Report:
    """What a check found, and how much it looked at."""

    findings: list[Finding]
    sequences: int
    frames: int
    images: int

    @property
    def errors(self) -> list[Finding]:
        """The findings that make a copy unfit; notes are not among them."""
        return [finding for finding in self.findings if finding.kind == "error"]


class _Read(NamedTuple):
    item: Item
    sequence: Sequence


def check_dataset(
    name: str | Path, root: str | Path, quick: bool = False, split: str | None = None
) -> list[Finding]:
    """Check a copy of a data set: errors and notes; ``inspect_dataset`` also says how much."""
    return inspect_dataset(name, root, quick, split).findings


def inspect_dataset(
    name: str | Path,
    root: str | Path,
    quick: bool = False,
    split: str | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Report:
    """Check a copy of a data set.

    ``quick`` decodes only the first and the last image of each folder of frames, otherwise all
    are. ``on_progress`` is told numbers of sequences. Raises what
    ``open_items`` raises: a root that is missing or holds nothing of the set.
    """
    description, root = load_description(name), Path(root)
    items = open_items(description, root, split)
    findings: list[Finding] = []
    found = [_Read(item, each) for item in items for each in _read(description, item, findings)]
    done, images = 0, 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for batch in _batches(found, quick):
            files = [file for read in batch for file in _files(read.sequence, quick)]
            facts = look_at_files(files, pool)
            for read in batch:
                findings += _sequence_findings(description, read, facts)
            done, images = done + len(batch), images + len(facts)
            on_progress(done, len(found))
    frames = sum(len(read.sequence) for read in found)
    findings += _unlabelled(description, found)
    findings += _count_findings(description, split, len(found), frames)
    findings += _known_faults(description, items)
    return Report(findings, len(found), frames, images)


def _read(description: DatasetDescription, item: Item, findings: list[Finding]) -> list[Sequence]:
    try:
        return LAYOUTS[description.layout].read(description, item)
    except (ValueError, OSError) as error:
        place, colon, text = str(error).partition(": ")
        findings.append(Finding("error", place if colon else item.name, text or str(error)))
        return []


def _files(sequence: Sequence, quick: bool) -> list[FrameFile]:
    kinds: list[tuple[FrameFile, ...] | None] = [sequence.rgb, sequence.tir, sequence.masks]
    present = [files for files in kinds if files]
    return [file for files in present for file in ({files[0], files[-1]} if quick else files)]


def _batches(found: list[_Read], quick: bool) -> Iterator[list[_Read]]:
    """Sequences in groups of some hundred images: enough for all threads, little in memory."""
    batch: list[_Read] = []
    images = 0
    for read in found:
        batch.append(read)
        images += len(_files(read.sequence, quick))
        if images >= _BATCH_IMAGES:
            yield batch
            batch, images = [], 0
    if batch:
        yield batch


def _sequence_findings(
    description: DatasetDescription, read: _Read, facts: dict[FrameFile, ImageFacts]
) -> Iterator[Finding]:
    sequence, sizes = read.sequence, []
    for files in (sequence.rgb, sequence.tir, sequence.masks):
        gap = numbering_gap(files or ())
        if gap:
            yield Finding("note", str(gap), "frame numbers jump here; are files missing before it?")
        seen = [facts[path] for path in files or () if path in facts]
        yield from (Finding("error", str(bad.path), bad.fault) for bad in seen if bad.fault)
        whole = [good for good in seen if not good.fault]
        changed = next((good for good in whole if good.size != whole[0].size), None)
        if changed:
            text = f"{_size(changed.size)} where {whole[0].path.name} has {_size(whole[0].size)}"
            yield Finding("error", str(changed.path), text)
        blank = [good for good in whole if good.blank and files is not sequence.masks]
        if blank:
            yield Finding("note", str(blank[0].path), f"{len(blank)} empty images, the first here")
        sizes.append(whole[0].size if whole else None)
    if sizes[0] and sizes[1] and sizes[0] != sizes[1]:
        text = f"visible images of {_size(sizes[0])}, thermal of {_size(sizes[1])}"
        yield Finding("note", sequence.name, text)
    for kind, words, frames in box_remarks(sequence, sizes[0] or sizes[1]):
        if len(frames):
            yield Finding(kind, _row(description, read, int(frames[0])), _many(words, len(frames)))


def _row(description: DatasetDescription, read: _Read, frame: int) -> str:
    """The label file and row of a frame; the sequence's name where labels are no rows."""
    row = (frame - description.label_first) // description.label_every + 1
    if not LAYOUTS[description.layout].one_sequence:
        return read.sequence.name
    for file in description.boxes or ("groundtruth.txt",):
        path = read.item.folder / file
        if path.is_file():
            return f"{path}: row {row}"
    return read.sequence.name


def _many(words: str, count: int) -> str:
    return f"box {words}" if count == 1 else f"{count} boxes {words}, the first here"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _unlabelled(description: DatasetDescription, found: list[_Read]) -> Iterator[Finding]:
    without = [read.sequence.name for read in found if not read.sequence.labelled.any()]
    if without:
        kind: Literal["error", "note"] = "note" if description.labels == "optional" else "error"
        text = f"{len(without)} of {len(found)} sequences without a box, {without[0]} the first"
        yield Finding(kind, description.name, text)


def _count_findings(
    description: DatasetDescription, split: str | None, sequences: int, frames: int
) -> Iterator[Finding]:
    expected = description if split is None else description.split(split)
    place = f"{description.name}{f' {split}' if split else ''}"
    for what, count, right in (
        ("sequences", sequences, expected.sequences),
        ("frames", frames, expected.frames),
    ):
        if right is not None and count != right:
            yield Finding("error", place, f"{count} readable {what}; a whole copy has {right}")


def _known_faults(description: DatasetDescription, items: list[Item]) -> Iterator[Finding]:
    for fault in description.known_faults:
        parts = Path(fault.file).parts
        for item in items:
            own = item.folder.parts[-len(parts) :] == parts
            if own or item.folder.parts[-len(parts) + 1 :] == parts[:-1]:
                place = item.folder if own else item.folder / parts[-1]
                row = f": row {fault.row}" if fault.row else ""
                yield Finding("note", f"{place}{row}", f"known fault of the release: {fault.note}")
