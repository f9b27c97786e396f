"""A comparison on disk: tables as Markdown, CSV and JSON, plots as SVG, and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.ground_truth import EvaluationSet
from rgbt_track.evaluation.published import PublishedScore, published_table
from rgbt_track.evaluation.report.calibration import calibration_plots, calibration_table
from rgbt_track.evaluation.report.figures import require_matplotlib
from rgbt_track.evaluation.report.html import Section, report_page
from rgbt_track.evaluation.report.playback import STYLE, playback_script, write_playback
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
from rgbt_track.progress import OnProgress, ignore_progress

ABOUT = {
    "official": "Scored by the benchmark's own rules, which reproduce its published tables.",
    "pysot": "Scored as pysot does: not comparable with official numbers.",
    "pytracking": "Scored as pytracking (and OSTrack) does: not comparable with official numbers.",
    "generic": "Scored by rgbt-track's own rules for data sets without any: the first frame and "
    "frames without a target are left out; means over sequences.",
}

PUBLISHED_NOTE = (
    "Published rows are the figures of the papers named, as quoted in other tables, by the "
    "benchmark's own rules over all its sequences; where a cell is empty, none was found."
)


def write_report(
    folder: Path,
    data: EvaluationSet,
    entries: Sequence[Entry],
    *,
    plots: bool = True,
    images: Mapping[str, bytes] | None = None,
    published: Sequence[PublishedScore] = (),
    playback: Sequence[str] = (),
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write the whole report, best tracker first, and return the path of its HTML page.

    Files: ``scores.md``, ``scores.csv``, ``scores.json``, ``sequences.csv``, ``attributes.csv``
    where there are attributes, ``calibration.csv`` where there are scores, ``published.csv`` beside
    published rows, one SVG per plot, ``report.html``, and ``playback/`` with its videos.

    Args:
        folder, data, entries: where to write, and what was compared.
        plots: whether to draw plots, which need matplotlib.
        images: caption -> JPEG for the page.
        published: rows to stand beside the trackers'.
        playback: sequences to be watched in the page.
        on_progress: called with the numbers of written and of all frames of a playback.

    Raises:
        ModuleNotFoundError: plots without matplotlib.
        OSError: the folder, or a video in it, cannot be written.
    """
    entries = ranked(data, entries)
    tables = comparison_tables(data, entries)
    scores = calibration_table(entries)
    beside = published_table(data, entries, published) if published else None
    svgs: dict[str, str] = {}
    if plots:
        from rgbt_track.evaluation.report.plots import comparison_plots

        require_matplotlib()
        svgs = {**comparison_plots(data.rules, entries), **calibration_plots(entries)}
    folder.mkdir(parents=True, exist_ok=True)
    watched = [write_playback(folder, data, entries, name, on_progress) for name in playback]
    extra = [table for table in (beside, scores) if table is not None]
    write_text(folder / "scores.md", "\n".join(to_markdown(table) for table in [*tables, *extra]))
    write_text(folder / "scores.json", to_json(data, entries))
    for name, table in zip(("scores", "sequences", "attributes"), tables, strict=False):
        write_text(folder / f"{name}.csv", to_csv(table))
    for name, optional in (("calibration", scores), ("published", beside)):
        if optional is not None:
            write_text(folder / f"{name}.csv", to_csv(optional))
    for name, svg in svgs.items():
        write_text(folder / f"{name}.svg", svg)
    page = report_page(
        data.description.title or data.name,
        f"{comparison_title(data, entries)}. {ABOUT[data.rules.name]}",
        _sections(tables, svgs, scores, beside, watched),
        notes=[f"{entry.name}: {note}" for entry in entries for note in entry.scores.notes],
        images=images,
        style=STYLE if watched else "",
        script=playback_script() if watched else "",
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _sections(
    tables: Sequence[Table],
    svgs: Mapping[str, str],
    scores: Table | None,
    beside: Table | None,
    watched: Sequence[Section],
) -> list[Section]:
    """Everything under its own heading, the tables of all sequences last."""

    def drawn(*names: str) -> dict[str, str]:
        return {name: svgs[name] for name in names if name in svgs}

    overall, sequences, *attributes = tables
    sections = [Section("Overall", table=overall)]
    if beside is not None:
        sections.append(Section(beside.title, note=PUBLISHED_NOTE, table=beside))
    curves = drawn("success", "precision", "normalized_precision")
    if curves:
        sections.append(Section("Success and precision", plots=curves))
    sections += watched
    for table in attributes:
        sections.append(Section(table.title, plots=drawn("attributes"), table=table))
    if scores is not None:
        plots = drawn("reliability", "long_term")
        sections.append(Section(scores.title, plots=plots, table=scores))
    return [*sections, Section(sequences.title, table=sequences)]


def comparison_tables(data: EvaluationSet, entries: Sequence[Entry]) -> list[Table]:
    """The overall table, the sequences', and the attributes' where there are any."""
    attributes = attribute_table(data, entries)
    tables = [overall_table(data, entries), sequence_table(data, entries)]
    return tables + ([attributes] if attributes else [])
