"""``rgbt-track evaluate``: run a tracker over a data set, then score it and draw the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rgbt_track.commands.common import progress_bar, tracker_and_weights
from rgbt_track.commands.options import (
    AnyTrackerName,
    DatasetName,
    DeviceNames,
    EngineName,
    EvaluationSplitName,
    Force,
    PlaybackNames,
    Plots,
    PrecisionName,
    PublishedRows,
    RegistrationFile,
    RootFolder,
    RulesName,
    SequenceNames,
    WeightsFile,
    WorkerCount,
)
from rgbt_track.commands.score import (
    find_trackers,
    print_scores,
    write_report_with_progress,
)
from rgbt_track.evaluation.comparison import compare_folders
from rgbt_track.evaluation.ground_truth import EvaluationSet, open_evaluation_set
from rgbt_track.evaluation.published import choose_published
from rgbt_track.evaluation.report.failures import failure_images, worst_sequences
from rgbt_track.evaluation.report.figures import require_matplotlib
from rgbt_track.evaluation.report.playback import check_playback
from rgbt_track.evaluation.runner import TrackingJob, run_jobs
from rgbt_track.evaluation.scoring import shorten_list
from rgbt_track.evaluation.shards import Shard, parse_shard
from rgbt_track.evaluation.trackers import (
    TrackerSource,
    claim_folder,
    describe_tracker,
    lacks_weights,
    short_name,
)
from rgbt_track.io.paths import check_paths
from rgbt_track.models.engines.choice import choose_engine
from rgbt_track.registration.yaml_file import load_registration

_SHOWN_FAILURES = 3


def evaluate(
    dataset: DatasetName,
    root: RootFolder,
    tracker: AnyTrackerName = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of results; default results/DATASET.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The tracker's folder in it; default its name or its run's.")
    ] = None,
    rules: RulesName = "official",
    split: EvaluationSplitName = None,
    sequence: SequenceNames = None,
    registration: RegistrationFile = None,
    weights: WeightsFile = None,
    workers: WorkerCount = 1,
    device: DeviceNames = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    shard: Annotated[
        str | None,
        typer.Option(help="I/N: run part I of N only, the others run elsewhere at the same time."),
    ] = None,
    force: Force = False,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Results of other trackers for the report: their folder; repeatable."),
    ] = None,
    published: PublishedRows = None,
    playback: PlaybackNames = None,
    plots: Plots = True,
) -> None:
    """Run a tracker over a data set, one pass, and score it.

    Sequences that already have their result file are not run again, so an interrupted run goes
    on. Results are RESULTS/LABEL/SEQUENCE.txt with SEQUENCE_time.txt and SEQUENCE_score.txt; the
    report lies in RESULTS/LABEL/report. It may hold rows of papers (--published all), the results
    of other trackers (--beside) and a sequence to watch with all their boxes (--playback NAME).
    With --shard it is written by the part that ends last.

    Example: `rgbt-track evaluate plain --root sequences/ --tracker lrrtrack_lite --workers 2`
    """
    part = parse_shard(shard) if shard is not None else Shard()
    if part.count > 1 and force:
        raise ValueError("--force would delete what other shards have done: delete the folder")
    if plots:
        require_matplotlib()
    cameras = load_registration(registration) if registration is not None else None
    data = open_evaluation_set(dataset, root, rules, split, sequence or None, registration=cameras)
    name, file = tracker_and_weights(tracker, weights)
    source = TrackerSource(name, str(file) if file else None, engine, precision)
    label = label or short_name(name, source.weights)
    folder = (results or Path("results") / data.name) / label
    check_paths(
        inputs={
            "--root": root,
            "--weights": weights,
            "--tracker": name,
            "--registration": registration,
        },
        folders={"the results folder": folder},
    )
    rows = choose_published(data, published or ())
    check_playback(data, playback or ())
    others = find_trackers(beside or (), data)
    if label in others:
        raise ValueError(f"--beside {others[label]} is called {label}, too: give another --label")
    for device_name in device.split(","):
        choose_engine(engine, precision, device_name.strip())
    claim_tracker(folder, source, data, force=force)
    files = {name: folder / f"{name}.txt" for name in data.sequences}
    reserved = frozenset(files.values())
    jobs = [
        TrackingJob(item, files[name], data.first_pixel, reserved)
        for name, item in data.sequences.items()
    ]
    run_with_progress(source, part.select(jobs), workers, device, f"{label} on {data.name}")
    missing = [job.sequence.name for job in jobs if not job.done]
    if part.count > 1 and missing:
        typer.echo(
            f"part {shard} is done; the report waits for {len(missing)} of {len(jobs)} sequences: "
            f"{shorten_list(missing)}"
        )
        return
    entries = compare_folders(data, {label: folder, **others})
    images = failure_images(worst_sequences(data, folder, _SHOWN_FAILURES))
    page = write_report_with_progress(
        folder / "report", data, entries, plots, rows, playback or (), images
    )
    print_scores(data, entries, published=rows)
    typer.echo(f"boxes in {folder}, report in {page}")


def claim_tracker(
    folder: Path, source: TrackerSource, data: EvaluationSet, *, force: bool, **more: Any
) -> None:
    """Reserve the results folder for the tracker; warn about a tracker without trained weights."""
    fingerprint = describe_tracker(source.name, source.weights, source.precision)
    if lacks_weights(source.name, source.weights):
        typer.echo(
            f"warning: {source.name} has no trained weights: its boxes are meaningless", err=True
        )
    digests = {name: annotation.digest for name, annotation in data.annotations.items()}
    for name, sequence in data.sequences.items():
        if sequence.registration is not None:
            digests[name] = f"{digests[name]}, registration {sequence.registration.digest}"
    claim_folder(folder, {**fingerprint, **more}, data=digests, force=force)


def run_with_progress(
    source: TrackerSource, jobs: Sequence[TrackingJob], workers: int, device: str, title: str
) -> None:
    """Run the jobs that are not done, with a progress bar over their frames."""
    pending = [job for job in jobs if not job.done]
    if len(pending) < len(jobs):
        typer.echo(f"{len(jobs) - len(pending)} of {len(jobs)} sequences are done already")
    if not pending:
        return
    devices = [part.strip() for part in device.split(",")]
    with progress_bar(title) as on_progress:
        run_jobs(
            source,
            pending,
            workers=max(workers, len(devices)),
            devices=devices,
            on_progress=on_progress,
        )
