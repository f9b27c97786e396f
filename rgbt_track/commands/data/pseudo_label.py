"""``rgbt-track data pseudo-label``: a teacher's tracks of video without boxes, as a data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from rgbt_track.commands.common import progress_bar
from rgbt_track.commands.options import DatasetName, DeviceName, RootFolder, SequenceNames
from rgbt_track.data.open import open_unlabelled
from rgbt_track.data.track_writing import write_track
from rgbt_track.io.files import write_text
from rgbt_track.io.paths import check_paths
from rgbt_track.io.tables import Cell, Table, to_csv
from rgbt_track.models.engines.teacher_engine import TeacherEngine
from rgbt_track.models.teacher import load_teacher
from rgbt_track.progress import OnProgress
from rgbt_track.tracking.loading import load_tracker
from rgbt_track.tracking.pseudo_labels import (
    PseudoLabelSettings,
    PseudoTrack,
    label_sequence,
    read_starts,
)
from rgbt_track.tracking.tracker import Tracker

_SUMMARY = "tracks.csv"
_DEFAULTS = PseudoLabelSettings()


def data_pseudo_label(
    dataset: DatasetName,
    out: Annotated[Path, typer.Argument(help="Folder of the new data set.")],
    root: RootFolder,
    teacher: Annotated[
        str | None,
        typer.Option(help="Folder of a teacher's ONNX files, or package.module:factory."),
    ] = None,
    tracker: Annotated[
        str | None, typer.Option(help="Instead of a teacher: a tracker's name or YAML.")
    ] = None,
    starts: Annotated[
        Path | None,
        typer.Option(help="Rows sequence,frame,x,y,w,h to track from; without: what moves."),
    ] = None,
    sequence: SequenceNames = None,
    window: Annotated[
        int, typer.Option(help="Frames that are tracked there and back at a time.")
    ] = _DEFAULTS.window,
    proposals: Annotated[
        int, typer.Option(help="New starts per window, where none are given.")
    ] = _DEFAULTS.proposals,
    min_overlap: Annotated[
        float, typer.Option(help="Of forward and backward box, to keep a frame.")
    ] = _DEFAULTS.min_overlap,
    min_score: Annotated[
        float, typer.Option(help="Of the tracker, both ways, to keep a frame.")
    ] = _DEFAULTS.min_score,
    min_length: Annotated[
        int, typer.Option(help="Frames of a track that is kept.")
    ] = _DEFAULTS.min_length,
    device: DeviceName = "cpu",
) -> None:
    """Track through video without boxes, and keep what agrees forward and backward.

    Writes a data set that the same description reads, and tracks.csv: how well the two ways agree.

    Example: `rgbt-track data pseudo-label video_tir --root videos --teacher nanotrack labelled`
    """
    check_paths(inputs={"--root": root, "--starts": starts}, folders={"OUT": out})
    settings = PseudoLabelSettings(window, proposals, min_overlap, min_score, min_length)
    running = _tracker(teacher, tracker, device)
    description, sequences = open_unlabelled(dataset, root, sequence)
    given = None
    if starts is not None:
        given = read_starts(starts, [each.name for each in sequences])
        sequences = [each for each in sequences if each.name in given]
    rows: list[tuple[Cell, ...]] = []
    total, done = sum(map(len, sequences)), 0
    with progress_bar("tracking") as on_progress:
        for each in sequences:
            tracks = label_sequence(
                running,
                each,
                settings,
                None if given is None else given[each.name],
                partial(_advance, on_progress, done, total),
            )
            for number, track in enumerate(tracks, start=1):
                target, boxes = f"auto{number:03d}", np.array(track.boxes)
                write_track(out, root, description, each, target, track.first, boxes)
                rows.append(_row(each.name, target, track))
            done += len(each)
    if not rows:
        raise ValueError(
            f"{root}: no track of {settings.min_length} frames or more in {len(sequences)} videos; "
            "lower --min-length, --min-overlap or --min-score, or give --starts"
        )
    columns = ("sequence", "target", "first", "frames", "overlap", "score")
    write_text(out / _SUMMARY, to_csv(Table("pseudo labels", columns, tuple(rows))))
    frames = sum(int(row[3] or 0) for row in rows)
    typer.echo(f"{out}: {len(rows)} tracks, {frames} boxes in {len(sequences)} videos")


def _advance(on_progress: OnProgress, before: int, total: int, done: int, _: int) -> None:
    """Progress within a sequence as progress within all of them."""
    on_progress(before + done, total)


def _tracker(teacher: str | None, tracker: str | None, device: str) -> Tracker:
    if (teacher is None) == (tracker is None):
        raise ValueError("give either --teacher or --tracker")
    if teacher is not None:
        engine = TeacherEngine(load_teacher(teacher))
        return Tracker(engine, engine.config())
    assert tracker is not None
    return load_tracker(tracker, device=device)


def _row(sequence: str, target: str, track: PseudoTrack) -> tuple[Cell, ...]:
    overlap, score = float(np.mean(track.overlaps)), float(np.mean(track.scores))
    return sequence, target, track.first, len(track), round(overlap, 4), round(score, 4)
