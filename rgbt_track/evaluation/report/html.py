"""One HTML page that holds a whole report: no network, and no other file but videos."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from rgbt_track import __version__
from rgbt_track.io.tables import Cell, Table, cell_text

_STYLE = """
:root { --line: #d0d7de; --soft: #f6f8fa; --quiet: #57606a; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
p.about, p.note, footer { color: var(--quiet); } footer { margin: 3rem 0 1rem; font-size: .85rem; }
p.note { max-width: 60rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
td.text, th.text { text-align: left; min-width: 14rem; }
th { background: var(--soft); cursor: pointer; position: sticky; top: 0; white-space: nowrap; }
tbody tr:hover { background: var(--soft); } td.best { font-weight: 700; }
tbody tr.own { background: #eef6ff; }
.scroll { max-height: 32rem; overflow: auto; display: inline-block; max-width: 100%; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1rem; }
.plots img { width: 35rem; max-width: 100%; height: auto; }
img.sheet { max-width: 100%; } li { overflow-wrap: anywhere; }
"""
_SCRIPT = """
for (const head of document.querySelectorAll("th")) head.addEventListener("click", () => {
  const body = head.closest("table").tBodies[0], column = head.cellIndex;
  const up = head.dataset.up !== "1"; head.dataset.up = up ? "1" : "0";
  const key = row => row.cells[column].textContent;
  const compare = (a, b) => {
    const x = parseFloat(key(a)), y = parseFloat(key(b));
    return column && !isNaN(x) && !isNaN(y) ? x - y : key(a).localeCompare(key(b));
  };
  [...body.rows].sort((a, b) => (up ? 1 : -1) * compare(a, b)).forEach(row => body.append(row));
});
"""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in this order.

    Args:
        title: the heading.
        note: a sentence of plain text.
        html: markup that is taken as it is.
        plots: name -> SVG.
        table: without its title.
    """

    title: str
    note: str = ""
    html: str = ""
    plots: Mapping[str, str] = field(default_factory=dict)
    table: Table | None = None


def report_page(
    title: str,
    about: str,
    sections: Sequence[Section],
    *,
    notes: Sequence[str] = (),
    images: Mapping[str, bytes] | None = None,
    style: str = "",
    script: str = "",
) -> str:
    """A page of sections, then images (caption -> JPEG), then notes.

    Tables are sorted by a click. The best value of a ranked table is set in bold: of its column in
    a table of trackers, of its row in any other. ``style`` and ``script`` are added to the page's.
    """
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="about">{escape(about)}</p>']
    parts += map(_section, sections)
    for caption, image in (images or {}).items():
        parts.append(f"<h2>{escape(caption)}</h2>{_image_tag(caption, 'jpeg', image, 'sheet')}")
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        parts.append(f"<h2>Notes</h2><ul>{items}</ul>")
    return _PAGE.format(
        title=escape(title),
        style=_STYLE + style,
        script=_SCRIPT + script,
        body="\n".join(parts),
        version=__version__,
    )


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head><body>
{body}
<footer>rgbt-track {version}</footer>
<script>{script}</script></body></html>
"""


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.note:
        parts.append(f'<p class="note">{escape(section.note)}</p>')
    parts.append(section.html)
    if section.plots:
        tags = (_image_tag(name, "svg+xml", svg.encode()) for name, svg in section.plots.items())
        parts.append(f'<div class="plots">{"".join(tags)}</div>')
    if section.table is not None:
        parts.append(_table(section.table))
    return "".join(parts)


def _image_tag(name: str, kind: str, data: bytes, css: str = "") -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img class="{css}" alt="{escape(name)}" src="data:image/{kind};base64,{encoded}">'


def _table(table: Table) -> str:
    head = "".join(
        f'<th class="{_column_class(column)}">{escape(column)}</th>' for column in table.columns
    )
    body = "".join(
        f'<tr class="{"own" if _is_measured_here(table, row) else ""}">{_row(table, row)}</tr>'
        for row in table.rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(table: Table, row: Sequence[Cell]) -> str:
    cells = []
    for index, (column, value) in enumerate(zip(table.columns, row, strict=True)):
        candidates = (
            [other[index] for other in table.rows] if table.columns[0] == "tracker" else row
        )
        numbers = [number for number in candidates if isinstance(number, float)]
        best = isinstance(value, float) and len(numbers) > 1 and value == max(numbers)
        css = "best" if best and table.ranked else _column_class(column)
        cells.append(f'<td class="{css}">{escape(cell_text(column, value))}</td>')
    return "".join(cells)


def _column_class(column: str) -> str:
    return "text" if column == "source" else ""


def _is_measured_here(table: Table, row: Sequence[Cell]) -> bool:
    return "source" in table.columns and row[table.columns.index("source")] == "measured here"
