"""A comparison on disk: tables as Markdown, CSV and JSON, plots as SVG, and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.ground_truth import EvaluationSet
from rgbt_track.evaluation.report.calibration import calibration_plots, calibration_table
from rgbt_track.evaluation.report.figures import require_matplotlib
from rgbt_track.evaluation.report.html import report_page
from rgbt_track.evaluation.report.tables import (
    attribute_table,
    comparison_title,
    overall_table,
    ranked,
    sequence_table,
    to_json,
)
from rgbt_track.io.files import write_text
from rgbt_track.io.tables import Table, to_csv, to_markdown

ABOUT = {
    "official": "Scored by the benchmark's own rules, which reproduce its published tables.",
    "pysot": "Scored as pysot does: not comparable with official numbers.",
    "pytracking": "Scored as pytracking (and OSTrack) does: not comparable with official numbers.",
    "generic": "Scored by rgbt-track's own rules for data sets without any: the first frame and "
    "frames without a target are left out; means over sequences.",
}


def write_report(
    folder: Path,
    data: EvaluationSet,
    entries: Sequence[Entry],
    *,
    plots: bool = True,
    images: Mapping[str, bytes] | None = None,
) -> Path:
    """Write the whole report, best tracker first, and return the path of its HTML page.

    Files: ``scores.md``, ``scores.csv``, ``scores.json``, ``sequences.csv``, ``attributes.csv``
    where there are attributes, ``calibration.csv`` where there are scores, one SVG per plot,
    ``report.html``. ``images`` maps a caption to a JPEG for the page. Raises
    ``ModuleNotFoundError`` for plots without matplotlib.
    """
    entries = ranked(data, entries)
    tables = comparison_tables(data, entries)
    scores = calibration_table(entries)
    svgs: dict[str, str] = {}
    if plots:
        from rgbt_track.evaluation.report.plots import comparison_plots

        require_matplotlib()
        svgs = {**comparison_plots(data.rules, entries), **calibration_plots(entries)}
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(to_markdown(table) for table in [*tables, *([scores] if scores else [])])
    write_text(folder / "scores.md", text)
    write_text(folder / "scores.json", to_json(data, entries))
    for name, table in zip(("scores", "sequences", "attributes"), tables, strict=False):
        write_text(folder / f"{name}.csv", to_csv(table))
    if scores:
        write_text(folder / "calibration.csv", to_csv(scores))
    for name, svg in svgs.items():
        write_text(folder / f"{name}.svg", svg)
    page = report_page(
        data.description.title or data.name,
        f"{comparison_title(data, entries)}. {ABOUT[data.rules.name]}",
        [replace(tables[0], title="Overall"), *([scores] if scores else []), *tables[1:]],
        svgs,
        notes=[f"{entry.name}: {note}" for entry in entries for note in entry.scores.notes],
        images=images,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def comparison_tables(data: EvaluationSet, entries: Sequence[Entry]) -> list[Table]:
    """The overall table, the sequences', and the attributes' where there are any."""
    attributes = attribute_table(data, entries)
    tables = [overall_table(data, entries), sequence_table(data, entries)]
    return tables + ([attributes] if attributes else [])
