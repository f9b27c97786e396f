"""Success and precision plots, the attribute radar, and curves over a severity, as SVG text.

matplotlib is imported on first use, so that scoring works without it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.report.tables import leading
from rgbt_track.evaluation.rules import Rules
from rgbt_track.evaluation.thresholds import NORMALIZED_DISTANCES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c564b",
)  # fmt: skip
_LINES = ("-", "--", "-.", ":")
_MOST_ON_RADAR = 24


def require_matplotlib() -> None:
    """Raise ``ModuleNotFoundError`` with the remedy where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "plots need matplotlib: pip install 'rgbt-track[plots]', or go without by --no-plots"
        ) from None


def comparison_plots(rules: Rules, entries: Sequence[Entry]) -> dict[str, str]:
    """Plot name -> SVG: success, precision, normalized_precision where scored, attributes.

    A tracker has the same colour in all of them: that of its place among ``entries``.
    """
    area = leading([name for name in rules.measures if name != "AO"])
    hits = next(name for name in ("MPR", "PR") if name in rules.measures)
    plots = {
        "success": _curves(entries, "success", rules.overlaps, area, "overlap threshold"),
        "precision": _curves(
            entries, "precision", rules.distances, hits, "distance of centres [pixels]"
        ),
    }
    if "NPR" in rules.measures:
        plots["normalized_precision"] = _curves(
            entries,
            "normalized",
            tuple(NORMALIZED_DISTANCES),
            "NPR",
            "distance of centres [sides of the ground truth]",
        )
    attributes = list(entries[0].scores.attribute_sizes)
    if len(attributes) >= 3:
        plots["attributes"] = _radar(rules, entries, attributes[:_MOST_ON_RADAR])
    return plots


def severity_plot(title: str, unit: str, curves: Mapping[str, Mapping[float, float]]) -> str:
    """AO over the severity of a disturbance, one line per tracker, as SVG.

    ``curves`` maps a tracker to severity -> AO.
    """
    figure, axes = _axes(title, unit, "AO")
    for index, (name, points) in enumerate(curves.items()):
        severities = sorted(points)
        values = [points[severity] for severity in severities]
        axes.plot(severities, values, marker="o", label=name, **_style(index))
    axes.legend(fontsize="small", loc="lower left")
    return _svg(figure, title)


def _curves(
    entries: Sequence[Entry], curve: str, limits: Sequence[float], measure: str, label: str
) -> str:
    kind = {"success": "Success", "precision": "Precision", "normalized": "Normalised precision"}
    figure, axes = _axes(kind[curve], label, "share of frames")
    ranked = sorted(enumerate(entries), key=lambda item: -item[1].scores.overall[measure])
    for index, entry in ranked:
        text = f"{entry.name} [{entry.scores.overall[measure]:.3f}]"
        axes.plot(limits, getattr(entry.scores.curves, curve), label=text, **_style(index))
    axes.set_xlim(limits[0], limits[-1])
    place = "lower left" if curve == "success" else "lower right"
    axes.legend(fontsize="small", loc=place, title=measure, title_fontsize="small")
    return _svg(figure, curve)


def _radar(rules: Rules, entries: Sequence[Entry], attributes: Sequence[str]) -> str:
    from matplotlib.figure import Figure

    measure = leading(rules.measures)
    angles = np.linspace(0, 2 * np.pi, len(attributes), endpoint=False)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    for index, entry in enumerate(entries):
        values = [entry.scores.attributes[name][measure] for name in attributes]
        axes.plot(
            np.append(angles, angles[0]), [*values, values[0]], label=entry.name, **_style(index)
        )
    sizes = entries[0].scores.attribute_sizes
    axes.set_xticks(angles, [f"{name} ({sizes[name]})" for name in attributes], fontsize="small")
    axes.set_ylim(0, 1)
    axes.set_title(f"{measure} per attribute (sequences)")
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(-0.35, 1.1))
    return _svg(figure, "attributes")


def _axes(title: str, x_label: str, y_label: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    return figure, axes


def _style(index: int) -> dict[str, Any]:
    line = _LINES[index // len(_COLORS) % len(_LINES)]
    return {"color": _COLORS[index % len(_COLORS)], "linestyle": line, "linewidth": 1.8}


def _svg(figure: Figure, salt: str) -> str:
    """The figure as SVG that is the same for the same data: no date, no random names."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return text.getvalue()
