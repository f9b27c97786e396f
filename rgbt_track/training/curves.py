"""The curves of a run, one panel per term (as the paper's figure 10), out of ``metrics.csv``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rgbt_track.io.files import atomic_path
from rgbt_track.training.metrics_file import read_metrics

_COLUMNS = 4
_SHARE = 0.02  # of a curve's points that its running mean covers


def draw_curves(metrics: Path, out: Path) -> None:
    """Draw every metric of a ``metrics.csv`` into a PNG, whole or not at all."""
    from matplotlib.figure import Figure

    curves = read_metrics(metrics)
    names = sorted(curves, key=_order)
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        steps, values = np.array(curves[name]).T
        trained = name.startswith("train/")
        panel.plot(steps, values, alpha=0.3 if trained else 1, marker="" if trained else "o")
        if trained:
            panel.plot(steps, _running_mean(values), color="C0")
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("step", fontsize=8)
        panel.grid(alpha=0.3)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    with atomic_path(out) as part:
        figure.savefig(part, format="png", dpi=100)


def _order(name: str) -> tuple[bool, bool, str]:
    return (not name.endswith("/total"), name.startswith("val/"), name)


def _running_mean(values: np.ndarray) -> np.ndarray:
    width = max(round(len(values) * _SHARE), 1)
    sums = np.convolve(values, np.ones(width), "same")
    return sums / np.convolve(np.ones(len(values)), np.ones(width), "same")
