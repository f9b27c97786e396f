"""Published scores on GTOT, RGBT210, RGBT234 and LasHeR, to stand beside one's own.

``datasets/published.csv`` holds the figures in percent, each with its paper, as other tables quote
them (``datasets/README.md``); a cell is empty where none was found. They were made by each
benchmark's own rules over all its sequences, and are compared with nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.ground_truth import EvaluationSet
from rgbt_track.io.tables import Cell, Table
from rgbt_track.resources import check_choice, folder

ALL = "all"
_COLUMNS = {"PR": "PR", "NPR": "NPR", "SR": "SR", "MPR": "PR", "MSR": "SR"}


@dataclass(frozen=True)
class PublishedScore:
    """One row of a paper: ``percent`` maps PR, NPR and SR to a number, where it is printed."""

    tracker: str
    year: int
    percent: dict[str, float]
    paper: str


def published_scores(benchmark: str) -> list[PublishedScore]:
    """The published rows of a benchmark, oldest first; none for a data set without any."""
    with (folder("datasets") / "published.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["benchmark"] == benchmark]
    return [
        PublishedScore(
            row["tracker"],
            int(row["year"]),
            {name: float(row[name]) for name in ("PR", "NPR", "SR") if row[name]},
            row["paper"],
        )
        for row in rows
    ]


def choose_published(
    data: EvaluationSet, names: Collection[str], scored: int | None = None
) -> list[PublishedScore]:
    """The published rows of these trackers, or all of them for ``"all"``.

    Args:
        data: the opened data set.
        names: trackers, or ``"all"``.
        scored: how many sequences are scored; by default, those of ``data``.

    Raises:
        ValueError: no rows of this data set or tracker, other rules than the papers', or not all
            of the benchmark's sequences, since neither could be compared.
    """
    if not names:
        return []
    rows = published_scores(data.name)
    if not rows:
        raise ValueError(f"there are no published rows of {data.name}: leave --published out")
    if data.rules.name != "official":
        raise ValueError(
            f"published rows of {data.name} were made by its official rules, not by those of "
            f"{data.rules.name}: leave --published or --rules out"
        )
    count = len(data.truths) if scored is None else scored
    if count < data.sequence_count:
        raise ValueError(
            f"published rows of {data.name} are means over {data.sequence_count} sequences, here "
            f"are {count}: leave --published out"
        )
    for name in names:
        check_choice("--published:", name, [ALL, *(row.tracker for row in rows)])
    return [row for row in rows if ALL in names or row.tracker in names]


def published_table(
    data: EvaluationSet, entries: Sequence[Entry], published: Sequence[PublishedScore]
) -> Table:
    """Own and published rows, best success first, shares with three decimals as in papers."""
    measures = data.rules.measures
    ranking = next(name for name in ("MSR", "SR") if name in measures)
    rows = [
        ({name: entry.scores.overall[name] for name in measures}, entry.name, "measured here", "")
        for entry in entries
    ]
    rows += [(_shares(row, measures), row.tracker, row.paper, str(row.year)) for row in published]
    rows.sort(key=lambda row: -row[0].get(ranking, 0.0))
    cells: list[tuple[Cell, ...]] = [
        (
            name,
            *(f"{scores[measure]:.3f}" if measure in scores else None for measure in measures),
            year or None,
            source,
        )
        for scores, name, source, year in rows
    ]
    return Table("Beside published results", ("tracker", *measures, "year", "source"), tuple(cells))


def _shares(row: PublishedScore, measures: Sequence[str]) -> dict[str, float]:
    """The measures of the rules in [0, 1]; RGBT234 calls its PR and SR MPR and MSR."""
    columns = {name: _COLUMNS[name] for name in measures if name in _COLUMNS}
    return {
        name: row.percent[column] / 100 for name, column in columns.items() if column in row.percent
    }
