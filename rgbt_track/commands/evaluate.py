"""``rgbt-track evaluate``: run a tracker over a data set, then score it and draw the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rgbt_track.commands.score import RULES_HELP, SPLIT_HELP, print_scores

if TYPE_CHECKING:
    from rgbt_track.evaluation.ground_truth import EvaluationSet
    from rgbt_track.evaluation.runner import Job
    from rgbt_track.evaluation.trackers import TrackerSource

_SHOWN_FAILURES = 3


def evaluate(
    dataset: str = typer.Argument(help="A described data set's name, or a description's YAML."),
    root: Path = typer.Option(..., help="Where the data set lies."),
    tracker: str = typer.Option(None, help="A shipped name, a YAML, or package.module:factory."),
    results: Path = typer.Option(None, help="Folder of results; default results/DATASET."),
    label: str = typer.Option(None, help="The tracker's folder in it; default its name."),
    rules: str = typer.Option("official", help=RULES_HELP),
    split: str = typer.Option(None, help=SPLIT_HELP),
    sequence: list[str] = typer.Option(None, help="Only this sequence; may be repeated."),
    weights: Path = typer.Option(None, help="Weights instead of the tracker's own."),
    workers: int = typer.Option(1, min=1, help="Processes that run side by side."),
    device: str = typer.Option("cpu", help="cpu, cuda, or several to share: cuda:0,cuda:1."),
    force: bool = typer.Option(False, help="Run again what is already there."),
    plots: bool = typer.Option(True, help="Draw plots (needs matplotlib)."),
) -> None:
    """Run a tracker over a data set, one pass, and score it.

    Sequences that already have their result file are not run again, so an interrupted run goes
    on. Results are RESULTS/LABEL/SEQUENCE.txt with SEQUENCE_time.txt and SEQUENCE_score.txt; the
    report lies in RESULTS/LABEL/report.

    Example: `rgbt-track evaluate plain --root footage/ --tracker lrrtrack_lite --workers 2`
    """
    from rgbt_track.evaluation.comparison import compare_folders
    from rgbt_track.evaluation.ground_truth import open_evaluation_set
    from rgbt_track.evaluation.report.failures import failure_pictures, worst_sequences
    from rgbt_track.evaluation.report.figures import require_matplotlib
    from rgbt_track.evaluation.report.write import write_report
    from rgbt_track.evaluation.runner import Job
    from rgbt_track.evaluation.trackers import TrackerSource, short_name
    from rgbt_track.resources import default_tracker

    if plots:
        require_matplotlib()
    data = open_evaluation_set(dataset, root, rules, split, sequence or None)
    name = tracker or default_tracker()
    source = TrackerSource(name, str(weights) if weights else None)
    label = label or short_name(name)
    folder = (results or Path("results") / data.name) / label
    claim_tracker(folder, source, data, force=force)
    jobs = [
        Job(item, folder / f"{item.name}.txt", data.first_pixel) for item in data.sequences.values()
    ]
    run_with_progress(source, jobs, workers, device, f"{label} on {data.name}")
    entries = compare_folders(data, {label: folder})
    pictures = failure_pictures(worst_sequences(data, folder, _SHOWN_FAILURES))
    page = write_report(folder / "report", data, entries, plots=plots, pictures=pictures)
    print_scores(data, entries)
    typer.echo(f"boxes in {folder}, report in {page}")


def claim_tracker(
    folder: Path, source: TrackerSource, data: EvaluationSet, *, force: bool, **more: Any
) -> None:
    """Make the results folder the tracker's own, and warn about one without trained weights."""
    from rgbt_track.evaluation.trackers import claim_folder, describe_tracker, lacks_weights

    stamp = describe_tracker(source.name, source.weights)
    if lacks_weights(source.name, source.weights):
        typer.echo(
            f"warning: {source.name} has no trained weights: its boxes mean nothing", err=True
        )
    digests = {name: annotation.digest for name, annotation in data.annotations.items()}
    claim_folder(folder, {**stamp, **more}, data=digests, force=force)


def run_with_progress(
    source: TrackerSource, jobs: Sequence[Job], workers: int, device: str, title: str
) -> None:
    """Run the jobs that are not done, with a progress bar over their frames."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from rgbt_track.evaluation.runner import run_jobs

    waiting = [job for job in jobs if not job.done]
    if len(waiting) < len(jobs):
        typer.echo(f"{len(jobs) - len(waiting)} of {len(jobs)} sequences are done already")
    if not waiting:
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    devices = [part.strip() for part in device.split(",")]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=sum(len(job.footage) for job in waiting))
        run_jobs(
            source,
            waiting,
            workers=max(workers, len(devices)),
            devices=devices,
            on_progress=lambda done, total: progress.update(task, completed=done),
        )
