"""``rgbt-track data check``: check a copy of a data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rgbt_track.commands.common import progress_bar
from rgbt_track.commands.options import DatasetName, RootFolder, SplitName
from rgbt_track.data.check import Issue, Report, inspect_dataset
from rgbt_track.io.tables import print_wide

_MAX_LINES = 40


def data_check(
    dataset: DatasetName,
    root: RootFolder,
    split: SplitName = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick/--full", help="Decode only the first and last image of each sequence."
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Print every line, however many.")
    ] = False,
) -> None:
    """Check counts, lengths, images and boxes of a data set; exit 1 when anything is wrong.

    Example: `rgbt-track data check gtot --root ~/data/GTOT`
    """
    with progress_bar("checking") as on_progress:
        report = inspect_dataset(dataset, root, quick, split, on_progress)
    _print_issues(report.issues, None if everything else _MAX_LINES)
    _print_summary(dataset, report)
    if report.errors:
        raise typer.Exit(1)


def _print_issues(issues: list[Issue], limit: int | None) -> None:
    for kind in ("error", "note"):
        lines = [str(issue) for issue in issues if issue.kind == kind]
        for line in lines[:limit]:
            typer.echo(f"{kind}: {line}")
        if limit is not None and len(lines) > limit:
            typer.echo(f"{kind}: ... and {len(lines) - limit} more; --all prints them")


def _print_summary(dataset: str, report: Report) -> None:
    kinds = Counter(issue.kind for issue in report.issues)
    table = Table("data set", "sequences", "frames", "images decoded", "errors", "notes")
    counts = (report.sequences, report.frames, report.images, kinds["error"], kinds["note"])
    table.add_row(Path(dataset).stem, *map(str, counts))
    print_wide(table)
