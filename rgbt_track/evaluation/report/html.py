"""One HTML page that holds a whole report and needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from rgbt_track import __version__
from rgbt_track.io.tables import Cell, Table, cell_text

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 75rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p.about, footer { color: #57606a; } footer { margin: 3rem 0 1rem; font-size: .85rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d0d7de; text-align: right; }
th:first-child, td:first-child { text-align: left; }
th { background: #f6f8fa; cursor: pointer; position: sticky; top: 0; white-space: nowrap; }
tbody tr:hover { background: #f6f8fa; } td.best { font-weight: 700; }
.scroll { max-height: 32rem; overflow: auto; display: inline-block; max-width: 100%; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots img { width: 35rem; max-width: 100%; }
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


def report_page(
    title: str,
    about: str,
    tables: Sequence[Table],
    plots: Mapping[str, str],
    *,
    notes: Sequence[str] = (),
    images: Mapping[str, bytes] | None = None,
) -> str:
    """A page of tables (sortable by a click), plots (name -> SVG), images (caption -> JPEG).

    The first table comes before the plots, the others after them. The best value of a ranked table
    is set in bold: of its column in a table of trackers, of its row in any other.
    """
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="about">{escape(about)}</p>']
    parts += [_table(table) for table in tables[:1]]
    if plots:
        image_tags = "".join(
            _image_tag(name, "svg+xml", svg.encode()) for name, svg in plots.items()
        )
        parts.append(f'<div class="plots">{image_tags}</div>')
    parts += [_table(table) for table in tables[1:]]
    for caption, image in (images or {}).items():
        parts.append(f"<h2>{escape(caption)}</h2>{_image_tag(caption, 'jpeg', image, 'sheet')}")
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        parts.append(f"<h2>Notes</h2><ul>{items}</ul>")
    return _PAGE.format(
        title=escape(title),
        style=_STYLE,
        script=_SCRIPT,
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


def _image_tag(name: str, kind: str, data: bytes, css: str = "") -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img class="{css}" alt="{escape(name)}" src="data:image/{kind};base64,{encoded}">'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    body = "".join(f"<tr>{_row(table, row)}</tr>" for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
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
        best = best and table.ranked
        css = ' class="best"' if best else ""
        cells.append(f"<td{css}>{escape(cell_text(column, value))}</td>")
    return "".join(cells)
