"""Calibration of trackers' scores as a table, as plots, and as numbers for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rgbt_track.evaluation.calibration import LongTerm, Reliability
from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.report.figures import line_style, new_axes, to_svg
from rgbt_track.io.tables import Cell, Table

_RELIABILITY = ("frames", "mean score", "correct", "ECE")
_LONG_TERM = ("precision", "recall", "F", "at score", "absent frames", "absent accuracy")


def calibration_table(entries: Sequence[Entry]) -> Table | None:
    """One row per tracker with scores, ``None`` without any.

    Precision, recall and F are those at the score of the highest F, and only where the data set
    marks frames without the target.
    """
    calibrated = [(entry.name, entry.calibration) for entry in entries if entry.calibration]
    if not any(item.reliability or item.long_term for _, item in calibrated):
        return None
    absent = any(item.long_term for _, item in calibrated)
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            *_reliability_cells(item.reliability),
            *(_long_term_cells(item.long_term) if absent else ()),
        )
        for name, item in calibrated
    ]
    columns = ("tracker", *_RELIABILITY, *(_LONG_TERM if absent else ()))
    return Table("Score calibration", columns, tuple(rows), ranked=False)


def calibration_plots(entries: Sequence[Entry]) -> dict[str, str]:
    """Plot name -> SVG: ``reliability`` and ``long_term``, those of which there is a curve.

    A tracker has the color of its index in ``entries``, as in all other plots.
    """
    plots = {}
    reliabilities = [
        (index, entry.name, entry.calibration.reliability)
        for index, entry in enumerate(entries)
        if entry.calibration and entry.calibration.reliability
    ]
    if reliabilities:
        plots["reliability"] = reliability_plot(reliabilities)
    curves = [
        (index, entry.name, entry.calibration.long_term)
        for index, entry in enumerate(entries)
        if entry.calibration and entry.calibration.long_term
    ]
    if curves:
        plots["long_term"] = _long_term_plot(curves)
    return plots


def reliability_plot(diagrams: Sequence[tuple[int, str, Reliability]]) -> str:
    """Share of correct frames over the score, as SVG: (index of the color, name, diagram) each."""
    figure, axes = new_axes("Reliability of the score", "score", "share of frames with IoU > 0.5")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for index, name, diagram in diagrams:
        filled = diagram.frames > 0
        label = f"{name} [{diagram.error:.3f}]"
        score, correct = diagram.score[filled], diagram.correct[filled]
        axes.plot(score, correct, marker="o", label=label, **line_style(index))
    axes.set_xlim(0, 1)
    axes.legend(fontsize="small", title="ECE", title_fontsize="small")
    return to_svg(figure, "reliability")


def _long_term_plot(curves: Sequence[tuple[int, str, LongTerm]]) -> str:
    figure, axes = new_axes("Precision and recall of the score", "recall", "precision")
    for index, name, curve in curves:
        label = f"{name} [{curve.f[curve.best]:.3f}]"
        axes.plot(curve.recall, curve.precision, label=label, **line_style(index))
        best = curve.recall[curve.best], curve.precision[curve.best]
        axes.plot(*best, marker="o", color=line_style(index)["color"])
    axes.set_xlim(0, 1)
    axes.legend(fontsize="small", title="F", title_fontsize="small", loc="lower left")
    return to_svg(figure, "long_term")


def calibration_json(entry: Entry) -> dict[str, Any] | None:
    """Everything about a tracker's scores; bins without frames hold ``null``."""
    item = entry.calibration
    if item is None:
        return None
    document: dict[str, Any] = {"reliability": None, "long_term": None}
    if item.reliability:
        document["reliability"] = {
            "calibration_error": item.reliability.error,
            "frames": item.reliability.frames.tolist(),
            "score": _without_nan(item.reliability.score),
            "correct": _without_nan(item.reliability.correct),
        }
    if item.long_term:
        curve = item.long_term
        document["long_term"] = {
            **dict(zip(_LONG_TERM, _long_term_cells(curve), strict=True)),
            "thresholds": curve.thresholds.tolist(),
            "precisions": curve.precision.tolist(),
            "recalls": curve.recall.tolist(),
        }
    return document


def _reliability_cells(diagram: Reliability | None) -> tuple[Cell, ...]:
    if diagram is None:
        return (None,) * len(_RELIABILITY)
    shares = diagram.frames / diagram.frames.sum()
    mean_score, correct = (
        float(np.nan_to_num(values) @ shares) for values in (diagram.score, diagram.correct)
    )
    return int(diagram.frames.sum()), mean_score, correct, diagram.error


def _long_term_cells(curve: LongTerm | None) -> tuple[Cell, ...]:
    if curve is None:
        return (None,) * len(_LONG_TERM)
    best = curve.best
    values = (curve.precision[best], curve.recall[best], curve.f[best], curve.thresholds[best])
    return (*map(float, values), curve.absent, curve.absent_accuracy)


def _without_nan(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
