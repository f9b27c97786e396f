"""What several commands need: a progress bar, and where the frames of a data set lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rgbt_track.data.sequence import Sequence
from rgbt_track.processes import Stopped, exit_status
from rgbt_track.progress import OnProgress
from rgbt_track.resources import default_tracker


@contextmanager
def progress_bar(title: str) -> Iterator[OnProgress]:
    """A bar on the error stream of a terminal while a block runs; updated by ``on_progress``."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def tracker_and_weights(tracker: str | None, weights: Path | None) -> tuple[str, Path | None]:
    """What ``--tracker`` and ``--weights`` name: a weights file alone says itself what it is of."""
    if tracker is not None:
        return tracker, weights
    return (default_tracker(), None) if weights is None else (str(weights), None)


def frame_folders(sequences: Iterable[Sequence]) -> dict[str, Path]:
    """Where frames are read, as ``check_paths`` takes it: folders of images, and videos."""
    folders = {}
    for sequence in sequences:
        for modality, files in (("rgb", sequence.rgb), ("tir", sequence.tir)):
            if files:
                first = files[0]
                name = f"the {modality} frames of {sequence.name}"
                folders[name] = first.parent if isinstance(first, Path) else first.path
    return folders


def leave_interrupted(end: KeyboardInterrupt | None, is_live: bool) -> None:
    """Leave with the status of the signal that has ended the frames, if one has.

    A camera (``is_live``) has no other end than Ctrl-C, so that this is no fault.
    """
    if end is None or (is_live and not isinstance(end, Stopped)):
        return
    typer.echo("interrupted; the frames so far are kept", err=True)
    raise typer.Exit(exit_status(end))
