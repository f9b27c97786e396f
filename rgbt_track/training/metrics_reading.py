"""A run's ``metrics.csv`` as curves; needs no Lightning."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

Curves = dict[str, list[tuple[int, float]]]


def read_metrics(path: Path) -> Curves:
    """Metric -> (step, value) in order; ``ValueError`` when the file holds no numbers."""
    curves: Curves = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                curves[row["name"]].append((int(row["step"]), float(row["value"])))
            except (KeyError, TypeError, ValueError):
                raise ValueError(f"{path}: not a run's metrics: {dict(row)}") from None
    if not curves:
        raise ValueError(f"{path}: no metrics to draw")
    return dict(curves)
