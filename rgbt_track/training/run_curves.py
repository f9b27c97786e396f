"""The curves of several runs in one picture: mean AO of the validation, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgbt_track.io.files import atomic_path
from rgbt_track.training.runs import RunSummary

_PANELS = {"val/ao": "best is highest", "train/total": "mean over a fiftieth of the run"}


def draw_runs(runs: Sequence[RunSummary], out: Path) -> None:
    """Draw the validation's AO and the training's loss of every run over its steps, as a PNG.

    Raises ``ValueError`` if no run has logged either.
    """
    names = [name for name in _PANELS if any(name in run.curves for run in runs)]
    if not names:
        raise ValueError("no run has logged an AO or a loss yet: nothing to draw")
    figure = Figure(figsize=(6 * len(names), 4.5), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for run in runs:
            if name not in run.curves:
                continue
            steps, values = np.array(run.curves[name]).T
            if name == "train/total":
                window = np.ones(max(len(values) // 50, 1))
                counts = np.convolve(np.ones(len(values)), window, "same")
                values = np.convolve(values, window, "same") / counts
            marker = "o" if name == "val/ao" else ""
            panel.plot(steps, values, marker=marker, markersize=3, label=run.name)
        panel.set_title(f"{name} ({_PANELS[name]})", fontsize=10)
        panel.set_xlabel("step")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    with atomic_path(out) as part:
        figure.savefig(part, format="png", dpi=100)
