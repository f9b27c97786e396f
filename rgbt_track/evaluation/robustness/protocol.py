"""AO against the severity of a disturbance: accuracy lost with a missing or shifted modality.

A data set is run once per severity, each into its own folder ``KIND/SEVERITY``, by the same
resumable runner as an evaluation. AO leaves out the first frame and frames without a target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgbt_track.evaluation.comparison import Entry, compare_folders
from rgbt_track.evaluation.ground_truth import EvaluationSet
from rgbt_track.evaluation.report.figures import require_matplotlib
from rgbt_track.evaluation.report.html import Section, report_page
from rgbt_track.evaluation.robustness.disturbances import (
    DISTURBANCES,
    DisturbedSequence,
    check_severity,
)
from rgbt_track.evaluation.runner import TrackingJob
from rgbt_track.io.files import write_text
from rgbt_track.io.tables import Cell, Table, to_csv, to_markdown

Curve = dict[float, float]


@dataclass(frozen=True)
class Plan:
    """Which severities of one kind of disturbance to run."""

    kind: str
    severities: tuple[float, ...]


def make_plan(kind: str, severities: Sequence[float] | None = None) -> Plan:
    """A plan of the protocol's severities, or of ``severities``, smallest first.

    0, the undisturbed run, always belongs to it. Raises ``ValueError`` for an unknown kind or a
    severity outside of its range.
    """
    check_severity(kind, 0)
    selected = DISTURBANCES[kind].severities if severities is None else severities
    for severity in selected:
        check_severity(kind, severity)
    return Plan(kind, tuple(sorted({0.0, *map(float, selected)})))


def severity_folder(folder: Path, kind: str, severity: float) -> Path:
    """Folder of the results of one severity; undisturbed ones are shared by all kinds."""
    return folder / kind / f"{severity:g}" if severity else folder / "undisturbed"


def plan_jobs(data: EvaluationSet, plan: Plan, folder: Path, seed: int) -> list[TrackingJob]:
    """One job per severity and sequence."""
    return [
        TrackingJob(
            DisturbedSequence(sequence, plan.kind, severity, seed),
            severity_folder(folder, plan.kind, severity) / f"{name}.txt",
            data.first_pixel,
        )
        for severity in plan.severities
        for name, sequence in data.sequences.items()
    ]


def severity_curve(data: EvaluationSet, plan: Plan, folder: Path) -> Curve:
    """Severity -> AO from the results on disk; ``data`` is opened with the generic rules."""
    curve = {}
    for severity in plan.severities:
        entries: list[Entry] = compare_folders(
            data, {"tracker": severity_folder(folder, plan.kind, severity)}
        )
        curve[severity] = entries[0].scores.overall["AO"]
    return curve


def severity_table(plan: Plan, curves: Mapping[str, Curve]) -> Table:
    """One row per tracker: AO at every severity."""
    columns = ("tracker", *(f"{severity:g}" for severity in plan.severities))
    rows: list[tuple[Cell, ...]] = [
        (name, *(curve[severity] for severity in plan.severities)) for name, curve in curves.items()
    ]
    item = DISTURBANCES[plan.kind]
    return Table(f"{item.title}: AO over {item.unit}", columns, tuple(rows))


def write_robustness(
    folder: Path,
    data: EvaluationSet,
    results: Mapping[str, tuple[Plan, Mapping[str, Curve]]],
    *,
    seed: int,
    plots: bool = True,
) -> Path:
    """Write curves as JSON, CSV, Markdown and one HTML page; the page's path.

    ``results`` maps a kind to its plan and each tracker's curve. Raises ``ModuleNotFoundError`` for
    plots without matplotlib.
    """
    tables = [severity_table(plan, curves) for plan, curves in results.values()]
    svgs: dict[str, str] = {}
    if plots:
        from rgbt_track.evaluation.report.plots import severity_plot

        require_matplotlib()
        for kind, (_, curves) in results.items():
            item = DISTURBANCES[kind]
            svgs[kind] = severity_plot(item.title, item.unit, curves)
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "dataset": data.name,
        "seed": seed,
        "measure": "AO",
        "curves": {kind: curves for kind, (_, curves) in results.items()},
    }
    write_text(folder / "robustness.json", json.dumps(document, indent=1) + "\n")
    write_text(folder / "robustness.md", "\n".join(to_markdown(table) for table in tables))
    for kind, table in zip(results, tables, strict=True):
        write_text(folder / f"{kind}.csv", to_csv(table))
    for kind, svg in svgs.items():
        write_text(folder / f"{kind}.svg", svg)
    about = (
        f"{data.name}, {len(data.sequences)} sequences, seed {seed}. AO, the mean overlap without "
        "the first frame, under disturbances of growing severity; 0 is the undisturbed run."
    )
    sections = [
        Section(table.title, plots={kind: svgs[kind]} if kind in svgs else {}, table=table)
        for kind, table in zip(results, tables, strict=True)
    ]
    page = report_page(f"Robustness on {data.name}", about, sections)
    write_text(folder / "robustness.html", page)
    return folder / "robustness.html"
