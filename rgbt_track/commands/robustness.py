"""``rgbt-track robustness``: AO against missing modalities, misregistration and noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import tracker_and_weights
from rgbt_track.commands.evaluate import claim_tracker, run_with_progress
from rgbt_track.commands.options import (
    AnyTrackerNames,
    DatasetName,
    DeviceNames,
    EvaluationSplitName,
    Force,
    Plots,
    RootFolder,
    SequenceNames,
    WeightsFile,
    WorkerCount,
)
from rgbt_track.evaluation.ground_truth import open_evaluation_set
from rgbt_track.evaluation.report.figures import require_matplotlib
from rgbt_track.evaluation.robustness import protocol
from rgbt_track.evaluation.robustness.disturbances import DISTURBANCES
from rgbt_track.evaluation.trackers import TrackerSource, short_name
from rgbt_track.io.paths import check_distinct, check_paths
from rgbt_track.io.tables import print_wide, to_rich

_KINDS = "no_tir, no_rgb, no_either, offset, noise_tir, noise_rgb; may be repeated; default all."


def robustness(
    dataset: DatasetName,
    root: RootFolder,
    tracker: AnyTrackerNames = None,
    kind: Annotated[list[str] | None, typer.Option(help=_KINDS)] = None,
    severity: Annotated[
        list[float] | None, typer.Option(help="Instead of the protocol's own severities.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of results; default results/robustness/DATASET.")
    ] = None,
    split: EvaluationSplitName = None,
    sequence: SequenceNames = None,
    weights: WeightsFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Selects spans, directions and noise.")] = 0,
    workers: WorkerCount = 1,
    device: DeviceNames = "cpu",
    force: Force = False,
    plots: Plots = True,
) -> None:
    """Measure how a tracker's AO falls as a modality is lost, shifted or noisy.

    Runs the data set once per kind and severity (docs/evaluation.md defines them), resumable, and
    draws AO over severity for every tracker.

    Example: `rgbt-track robustness plain --root sequences/ --tracker lrrtrack_lite --kind offset`
    """
    if plots:
        require_matplotlib()
    if severity and len(kind or []) != 1:
        raise ValueError("--severity means something else for each kind: give one --kind with it")
    plans = [protocol.make_plan(name, severity or None) for name in kind or DISTURBANCES]
    data = open_evaluation_set(dataset, root, "generic", split, sequence or None)
    folder = results or Path("results") / "robustness" / data.name
    outcome = {plan.kind: (plan, dict[str, protocol.Curve]()) for plan in plans}
    check_paths(inputs={"--root": root, "--weights": weights}, folders={"--results": folder})
    names: list[str | None] = [*tracker] if tracker else [None]
    pairs = [tracker_and_weights(name, weights) for name in names]
    sources = [TrackerSource(name, str(file) if file else None) for name, file in pairs]
    labels = [short_name(source.name, source.weights) for source in sources]
    check_distinct(
        "their results", zip(labels, (f"--tracker {name}" for name, _ in pairs), strict=True)
    )
    for source, name in zip(sources, labels, strict=True):
        claim_tracker(folder / name, source, data, force=force, seed=seed)
    for source, name in zip(sources, labels, strict=True):
        tracker_folder = folder / name
        for plan in plans:
            jobs = protocol.plan_jobs(data, plan, tracker_folder, seed)
            run_with_progress(source, jobs, workers, device, f"{name} {plan.kind}")
            curve = protocol.severity_curve(data, plan, tracker_folder)
            outcome[plan.kind][1][name] = curve
    for plan, curves in outcome.values():
        table = protocol.severity_table(plan, curves)
        typer.echo(table.title)
        print_wide(to_rich(table))
    page = protocol.write_robustness(folder / "report", data, outcome, seed=seed, plots=plots)
    typer.echo(f"results in {folder}, report in {page}")
