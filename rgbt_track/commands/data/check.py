"""``rgbt-track data check``: is a copy of a data set whole?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rgbt_track.data.check import Finding, Report

_SHOWN = 40


def data_check(
    dataset: str = typer.Argument(help="A shipped description by name, or a .yaml file."),
    root: Path = typer.Option(..., help="Where the data set lies."),
    split: str = typer.Option(None, help="Check one split only, for example test."),
    quick: bool = typer.Option(
        False, "--quick/--full", help="Decode only the first and last image of each sequence."
    ),
    everything: bool = typer.Option(False, "--all", help="Print every line, however many."),
) -> None:
    """Check counts, lengths, images and boxes of a data set; exit 1 when anything is wrong.

    Example: `rgbt-track data check gtot --root ~/data/GTOT`
    """
    from rich.console import Console
    from rich.progress import Progress

    from rgbt_track.data.check import inspect_dataset

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("checking", total=None)
        report = inspect_dataset(
            dataset,
            root,
            quick,
            split,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    _print_findings(report.findings, None if everything else _SHOWN)
    _print_summary(dataset, report)
    if report.errors:
        raise typer.Exit(1)


def _print_findings(findings: list[Finding], shown: int | None) -> None:
    for kind in ("error", "note"):
        lines = [str(finding) for finding in findings if finding.kind == kind]
        for line in lines[:shown]:
            typer.echo(f"{kind}: {line}")
        if shown is not None and len(lines) > shown:
            typer.echo(f"{kind}: ... and {len(lines) - shown} more; --all prints them")


def _print_summary(dataset: str, report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    kinds = Counter(finding.kind for finding in report.findings)
    table = Table("data set", "sequences", "frames", "images decoded", "errors", "notes")
    counts = (report.sequences, report.frames, report.images, kinds["error"], kinds["note"])
    table.add_row(Path(dataset).stem, *map(str, counts))
    Console().print(table)
