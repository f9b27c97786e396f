"""Tables of names and numbers, written for a terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

Cell = str | float | int | None

_MAX_WIDTH = 1000  # characters


@dataclass(frozen=True)
class Table:
    """A heading, column names, and rows whose first cell is a name; ``None`` is an empty cell.

    Values in [0, 1] are shares; ``fps`` columns are frames per second, ``frames`` whole numbers.
    ``ranked`` says that the largest value is the best one.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    ranked: bool = True


def cell_text(column: str, value: Cell) -> str:
    """A cell as displayed: shares with four decimals, rates with one."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}" if column == "fps" else f"{value:.4f}"
    return str(value)


def to_markdown(table: Table) -> str:
    """The table as GitHub-flavored Markdown, ending in a newline."""
    lines = [f"**{table.title}**", "", _row(table.columns), _row(_rule(table.columns))]
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        lines.append(_row(cell_text(column, value).replace("|", "\\|") for column, value in cells))
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: Sequence[str]) -> list[str]:
    return ["---"] + ["---:"] * (len(columns) - 1)


def to_csv(table: Table) -> str:
    """The table as CSV with a header line, values in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in table.rows)
    return text.getvalue()


def to_rich(table: Table) -> RichTable:
    """The table for ``rich.console.Console.print``, without its title."""
    rich_table = RichTable()
    for index, column in enumerate(table.columns):
        rich_table.add_column(escape(column), justify="right" if index else "left")
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        rich_table.add_row(*(escape(cell_text(column, value)) for column, value in cells))
    return rich_table


def print_wide(table: RichTable) -> None:
    """Print a table wide enough for all of its columns, since a narrow one cuts names off."""
    width = Console(width=_MAX_WIDTH).measure(table).maximum
    Console(width=max(Console().width, width)).print(table)
