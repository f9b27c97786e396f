"""``rgbt-track vot evaluate``: the toolkit's evaluation, analysis and report in one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rgbt_track.commands.options import Force
from rgbt_track.io.tables import print_wide, to_rich
from rgbt_track.resources import default_tracker
from rgbt_track.tracking.loading import read_config
from rgbt_track.vot import toolkit
from rgbt_track.vot.published import published_vot_rgbt2020
from rgbt_track.vot.registry import check_tracker, tracker_label
from rgbt_track.vot.results import HighestEAO, Score


def vot_evaluate(
    workspace: Annotated[Path, typer.Argument(help="A folder made by `rgbt-track vot workspace`.")],
    tracker: Annotated[
        list[str] | None, typer.Option(help="A section of its trackers.ini; may be repeated.")
    ] = None,
    force: Force = False,
) -> None:
    """Evaluate trackers in a workspace: run what is missing, analyse, report, print.

    The toolkit keeps results even when a tracker has changed since: use --force then.

    Example: `rgbt-track vot evaluate my_workspace --tracker lrrtrack_lite`
    """
    trackers = list(dict.fromkeys(tracker or []))
    if not trackers:
        trackers = [default_tracker()]
        typer.echo(f"tracker {trackers[0]}: {tracker_note(trackers[0])}")
    scores = run_toolkit(workspace, trackers, force=force)
    # EAO over another interval, other sequences, or all frames, is not comparable.
    if toolkit.is_vot_rgbt2020(workspace):
        print_beside_published(scores)


def tracker_note(tracker: str | Path) -> str:
    """The note of a configuration, for instance that the tracker is not trained."""

    return read_config(tracker).note or "no note in its configuration"


def run_toolkit(workspace: Path, trackers: Sequence[str], *, force: bool = False) -> list[Score]:
    """Evaluate, analyse and report with progress, then print the table and the report's path."""
    registry = toolkit.check_workspace(workspace) / "trackers.ini"
    for tracker in trackers:
        check_tracker(registry, tracker)
    with toolkit_progress() as progress:
        for tracker in trackers:
            with progress_step(progress, f"vot evaluate {tracker}") as update:
                toolkit.evaluate(workspace, tracker, force=force, on_progress=update)
        with progress_step(progress, "vot analysis (the first ever compiles for 20 s)"):
            scores = toolkit.analyse(workspace, trackers)
        with progress_step(progress, "vot report"):
            file = toolkit.report(workspace, trackers)
    # By label, which says when a network is untrained.
    scores = [replace(score, tracker=tracker_label(registry, score.tracker)) for score in scores]
    highest = toolkit.highest_eao(workspace)
    print_wide(score_table(scores, highest))
    warn_about_eao(highest)
    typer.echo(f"report: {file}")
    return scores


def print_beside_published(scores: Sequence[Score]) -> None:
    """Print the measures among those published on VOT2020-RGBT, best EAO first."""
    measures = {
        f"{score.tracker} ({score.experiment})": (score.eao, score.accuracy, score.robustness)
        for score in scores
    }
    typer.echo("Beside VOT2020-RGBT as published:")
    print_wide(to_rich(published_vot_rgbt2020(measures)))


def warn_about_eao(highest: Mapping[str, HighestEAO]) -> None:
    """One line for every experiment whose runs are too short for its EAO."""
    for experiment, item in highest.items():
        if item.value < 1:
            typer.echo(
                f"warning: {experiment}: EAO is the mean over {item.low} to {item.high} frames "
                f"after a start, and the longest run here has {item.longest}: a perfect tracker "
                f"would score {item.value:.4f}. For an interval that fits, build the workspace "
                "with --stack auto.",
                err=True,
            )


def score_table(scores: Sequence[Score], highest: Mapping[str, HighestEAO] | None = None) -> Table:
    """The measures as a table for the terminal.

    An EAO that runs are too short for is shown with what a perfect tracker would score, or as not
    measurable where that is 0.
    """
    table = Table("tracker", "experiment", "EAO", "accuracy", "robustness")
    for score in scores:
        best = highest[score.experiment].value if highest and score.experiment in highest else 1.0
        eao = f"{score.eao:.4f}" if best == 1 else f"{score.eao:.4f} of {best:.4f}"
        cells = (
            eao if best else "not measurable",
            *(f"{value:.4f}" for value in (score.accuracy, score.robustness)),
        )
        table.add_row(score.tracker, score.experiment, *cells)
    return table


def toolkit_progress() -> Progress:
    """A bar per step of the toolkit."""
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())


@contextmanager
def progress_step(progress: Progress, name: str) -> Iterator[Callable[[int, int], None]]:
    """One step; its bar is updated by what is yielded, and full at the end."""
    task = progress.add_task(name, total=None)
    yield lambda done, total: progress.update(task, completed=done, total=total)
    progress.update(task, total=1, completed=1)
