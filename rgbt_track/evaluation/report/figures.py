"""Common parts of all plots: size, colors, and SVG text that is the same for the same data.

matplotlib is imported on first use, so that scoring works without it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c564b",
)  # fmt: skip
_LINES = ("-", "--", "-.", ":")


def require_matplotlib() -> None:
    """Raise ``ModuleNotFoundError`` with the remedy where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "plots need matplotlib: pip install 'rgbt-track[plots]', or go without by --no-plots"
        ) from None


def new_axes(title: str, x_label: str, y_label: str) -> tuple[Figure, Any]:
    """A figure of the reports' size with one pair of axes, y from 0 to 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    return figure, axes


def line_style(index: int) -> dict[str, Any]:
    """Color and dashes of line ``index``: a tracker looks alike in all plots."""
    line = _LINES[index // len(_COLORS) % len(_LINES)]
    return {"color": _COLORS[index % len(_COLORS)], "linestyle": line, "linewidth": 1.8}


def to_svg(figure: Figure, salt: str) -> str:
    """The figure as SVG text that is the same for the same data: no date, no random names.

    A ``$`` in a name is a dollar sign, not the begin of a formula.
    """
    import matplotlib
    from matplotlib.text import Text

    for label in figure.findobj(Text):
        label.set_parse_math(False)
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return text.getvalue()
