"""Success and precision plots, the attribute radar, and curves over a severity, as SVG text.

matplotlib is imported on first use, so that scoring works without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.report.figures import line_style, new_axes, to_svg
from rgbt_track.evaluation.report.tables import ranking_measure
from rgbt_track.evaluation.rules import Rules
from rgbt_track.evaluation.thresholds import NORMALIZED_DISTANCES

_MOST_ON_RADAR = 24


def comparison_plots(rules: Rules, entries: Sequence[Entry]) -> dict[str, str]:
    """Plot name -> SVG: success, precision, normalized_precision where scored, attributes.

    A tracker has the same color in all of them: that of its index in ``entries``.
    """
    area = ranking_measure([name for name in rules.measures if name != "AO"])
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
    figure, axes = new_axes(title, unit, "AO")
    for index, (name, points) in enumerate(curves.items()):
        severities = sorted(points)
        values = [points[severity] for severity in severities]
        axes.plot(severities, values, marker="o", label=name, **line_style(index))
    axes.legend(fontsize="small", loc="lower left")
    return to_svg(figure, title)


def _curves(
    entries: Sequence[Entry], curve: str, limits: Sequence[float], measure: str, label: str
) -> str:
    kind = {"success": "Success", "precision": "Precision", "normalized": "Normalised precision"}
    figure, axes = new_axes(kind[curve], label, "share of frames")
    ranked = sorted(enumerate(entries), key=lambda item: -item[1].scores.overall[measure])
    for index, entry in ranked:
        text = f"{entry.name} [{entry.scores.overall[measure]:.3f}]"
        axes.plot(limits, getattr(entry.scores.curves, curve), label=text, **line_style(index))
    axes.set_xlim(limits[0], limits[-1])
    location = "lower left" if curve == "success" else "lower right"
    axes.legend(fontsize="small", loc=location, title=measure, title_fontsize="small")
    return to_svg(figure, curve)


def _radar(rules: Rules, entries: Sequence[Entry], attributes: Sequence[str]) -> str:
    from matplotlib.figure import Figure

    measure = ranking_measure(rules.measures)
    angles = np.linspace(0, 2 * np.pi, len(attributes), endpoint=False)
    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    for index, entry in enumerate(entries):
        values = [entry.scores.attributes[name][measure] for name in attributes]
        outline = np.append(angles, angles[0]), [*values, values[0]]
        axes.plot(*outline, label=entry.name, **line_style(index))
        axes.fill(*outline, color=line_style(index)["color"], alpha=0.06)
    sizes = entries[0].scores.attribute_sizes
    names = [f"{name.replace('_', ' ')} ({sizes[name]})" for name in attributes]
    # Names stand outside of the circle: right of it they begin there, left of it they end there.
    for angle, label in zip(angles, axes.set_xticks(angles, names, fontsize="small"), strict=True):
        side = np.cos(angle)
        label.label1.set_horizontalalignment(
            "center" if abs(side) < 0.1 else "left" if side > 0 else "right"
        )
    axes.tick_params(axis="x", pad=4)
    axes.set_ylim(0, 1)
    axes.set_rlabel_position(np.degrees(np.pi / len(attributes)))
    axes.tick_params(axis="y", labelsize="x-small", labelcolor="#57606a")
    figure.legend(fontsize="small", loc="outside lower center", ncols=min(len(entries), 3))
    return to_svg(figure, "attributes")
