"""``rgbt-track score``: score raw result files of any trackers, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import progress_bar
from rgbt_track.commands.options import (
    DatasetName,
    EvaluationSplitName,
    PlaybackNames,
    Plots,
    PublishedRows,
    RootFolder,
    RulesName,
)
from rgbt_track.evaluation.comparison import Entry, compare_folders
from rgbt_track.evaluation.ground_truth import EvaluationSet, open_evaluation_set
from rgbt_track.evaluation.published import (
    PublishedScore,
    choose_published,
    published_table,
)
from rgbt_track.evaluation.report.playback import check_playback
from rgbt_track.evaluation.report.tables import overall_table, ranked, to_json
from rgbt_track.evaluation.report.write import write_report
from rgbt_track.evaluation.result_files import tracker_folders
from rgbt_track.io.paths import check_paths
from rgbt_track.io.tables import print_wide, to_csv, to_markdown, to_rich
from rgbt_track.progress import ignore_progress
from rgbt_track.resources import check_choice

_MAX_NOTES = 5


def score(
    dataset: DatasetName,
    root: RootFolder,
    results: Annotated[
        list[Path],
        typer.Option(help="A tracker's folder, or a folder of trackers' folders; may be repeated."),
    ],
    rules: RulesName = "official",
    split: EvaluationSplitName = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the report here: HTML, Markdown, CSV, JSON, SVG.")
    ] = None,
    partial: Annotated[
        bool, typer.Option(help="Score the sequences that every tracker has.")
    ] = False,
    published: PublishedRows = None,
    playback: PlaybackNames = None,
    plots: Plots = True,
    format: Annotated[str, typer.Option(help="Print as table, markdown, csv or json.")] = "table",
) -> None:
    """Score result files of any trackers by a benchmark's own rules.

    The images are not needed, only the ground truth; but they are for --playback, which shows a
    sequence with the boxes of all trackers in the report. --published sets rows of papers beside.
    Result files may be separated by commas, tabs or blanks, have 4 or 8 columns, and carry any
    prefix (TRACKER_SEQUENCE.txt).

    Example: `rgbt-track score lasher --root LasHeR/ --results raw_results/ --out report/`
    """
    check_choice("--format is", format, ("table", "markdown", "csv", "json"))
    inputs = {f"--results {path}": path for path in results}
    check_paths(inputs={"--root": root, **inputs}, folders={"--out": out})
    if playback and out is None:
        raise ValueError("--playback is a part of the report: give its folder by --out")
    data = open_evaluation_set(dataset, root, rules, split, images=False)
    check_playback(data, playback or ())
    if not partial:
        choose_published(data, published or ())
    folders = find_trackers(results, data)
    with progress_bar("scoring") as on_progress:
        entries = compare_folders(data, folders, partial=partial, on_progress=on_progress)
    rows = choose_published(data, published or (), len(entries[0].scores.sequences))
    print_scores(data, entries, format, rows)
    if out is not None:
        page = write_report_with_progress(out, data, entries, plots, rows, playback or ())
        typer.echo(f"report in {page}", err=True)


def write_report_with_progress(
    folder: Path,
    data: EvaluationSet,
    entries: Sequence[Entry],
    plots: bool,
    published: Sequence[PublishedScore],
    playback: Sequence[str],
    images: Mapping[str, bytes] | None = None,
) -> Path:
    """``write_report`` with a bar over the frames of playbacks, where there are any."""
    check_playback(data, playback)
    with progress_bar("playback") if playback else nullcontext(ignore_progress) as on_progress:
        return write_report(
            folder,
            data,
            entries,
            plots=plots,
            images=images,
            published=published,
            playback=playback,
            on_progress=on_progress,
        )


def find_trackers(results: Sequence[Path], data: EvaluationSet) -> dict[str, Path]:
    """Tracker -> folder, over all results folders; ``ValueError`` for two trackers of one name."""

    folders: dict[str, Path] = {}
    for path in results:
        for name, folder in tracker_folders(path, data.truths).items():
            if name in folders:
                raise ValueError(f"two trackers are called {name}: {folders[name]} and {folder}")
            folders[name] = folder
    return folders


def print_scores(
    data: EvaluationSet,
    entries: Sequence[Entry],
    format: str = "table",
    published: Sequence[PublishedScore] = (),
) -> None:
    """Print the overall table, or that with the published rows in it where there are any.

    Notes on corrected results go to the error stream. JSON holds no published rows.
    """
    entries = ranked(data, entries)
    table = overall_table(data, entries)
    if published:
        table = replace(published_table(data, entries, published), title=table.title)
    if format == "json":
        typer.echo(to_json(data, entries), nl=False)
    elif format == "csv":
        typer.echo(to_csv(table), nl=False)
    elif format == "markdown":
        typer.echo(to_markdown(table), nl=False)
    else:
        typer.echo(table.title)
        print_wide(to_rich(table))
    for entry in entries:
        for note in entry.scores.notes[:_MAX_NOTES]:
            typer.echo(f"note: {entry.name}: {note}", err=True)
        more = len(entry.scores.notes) - _MAX_NOTES
        if more > 0:
            typer.echo(f"note: {entry.name}: {more} more notes like these", err=True)
