"""The curves of a run, one panel per term (as the paper's figure 10), out of ``metrics.csv``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgbt_track.io.files import atomic_path
from rgbt_track.training.metrics_reading import read_metrics

_COLUMNS = 4
_MEAN_SHARE = 0.02  # of a curve's points that its running mean covers


def draw_curves(metrics: Path, out: Path) -> None:
    """Draw every metric of a ``metrics.csv`` into a PNG, whole or not at all."""
    curves = read_metrics(metrics)
    # Totals first, training before validation.
    names = sorted(
        curves, key=lambda name: (not name.endswith("/total"), name.startswith("val/"), name)
    )
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        steps, values = np.array(curves[name]).T
        is_training = name.startswith("train/")
        marker = "" if is_training else "o"
        panel.plot(steps, values, alpha=0.3 if is_training else 1, marker=marker)
        if is_training:
            # Running mean, over fewer points at the ends.
            window = np.ones(max(round(len(values) * _MEAN_SHARE), 1))
            counts = np.convolve(np.ones(len(values)), window, "same")
            panel.plot(steps, np.convolve(values, window, "same") / counts, color="C0")
        panel.set_title(name, fontsize=9, parse_math=False)  # names of sequences may hold a $
        panel.set_xlabel("step", fontsize=8)
        panel.grid(alpha=0.3)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    with atomic_path(out) as part:
        figure.savefig(part, format="png", dpi=100)
