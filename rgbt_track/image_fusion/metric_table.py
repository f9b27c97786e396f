"""Metrics of many pairs and their mean, as a table for the terminal or a CSV file."""

from __future__ import annotations

import csv
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from fusion_modules.image.metrics import METRICS, fusion_metrics
from rgbt_track.io.files import atomic_path
from rgbt_track.io.tables import print_wide

HEADINGS = {"MI_paper": "MI (paper)", "MI": "MI (true)", "SSIM": "SSIMm", "VIF": "VIFm"}

Gray = NDArray[np.uint8]


@dataclass
class MetricTable:
    """Metrics by pair, in the order added."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, values: dict[str, float]) -> None:
        """Add a row of metrics, as ``fusion_metrics`` gives them."""
        self.rows[name] = values

    def add_pair(self, name: str, fused: Gray, visible: Gray, infrared: Gray) -> None:
        """Score a fused image against its sources, (H, W) uint8 of one size, and add the row.

        Warns of a metric that is undefined for the pair, with its number, from 1, and the reason.
        """
        values = fusion_metrics(fused, visible, infrared)
        self.add(name, values)
        undefined = [HEADINGS.get(key, key) for key in METRICS if math.isnan(values[key])]
        if undefined:
            sources = {"visible": visible, "infrared": infrared}
            constant = [source for source, image in sources.items() if np.ptp(image) == 0]
            reason = f"its {' and '.join(constant)} image is constant" if constant else "it is nan"
            warnings.warn(
                f"pair {len(self.rows)}, {name}: {', '.join(undefined)} is undefined, since "
                f"{reason}; the mean is over the other pairs",
                stacklevel=2,
            )

    def mean(self) -> dict[str, float]:
        """The mean over the pairs; undefined values (VIF of a constant source) are left out."""
        means = {}
        for key in METRICS:
            values = [row[key] for row in self.rows.values() if not math.isnan(row[key])]
            means[key] = sum(values) / len(values) if values else math.nan
        return means

    def to_rich(
        self, per_pair: bool = True, heading: str | None = None, mean: bool = True
    ) -> Table:
        """A table for the terminal.

        ``per_pair``: with a row per pair; ``heading``: of the first column; ``mean``: with the
        mean over all pairs as the last row.
        """
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column(heading or f"{len(self.rows)} pairs", no_wrap=True)
        for key in METRICS:
            table.add_column(HEADINGS.get(key, key), justify="right", min_width=7)
        for name, values in self.rows.items() if per_pair else ():
            table.add_row(name, *_cells(values))
        if mean:
            table.add_row("mean", *_cells(self.mean()), style="bold")
        return table

    def print(self, **options: Any) -> None:
        """Print ``to_rich(**options)``, wide enough for all columns on any terminal."""
        print_wide(self.to_rich(**options))

    def write_csv(self, path: Path, mean: bool = True) -> None:
        """Write a row per pair, and their mean, to a CSV file, whole or not at all."""
        rows = dict(self.rows) | ({"mean": self.mean()} if mean else {})
        with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", *METRICS])
            for name, values in rows.items():
                writer.writerow([name, *(f"{values[key]:.6f}" for key in METRICS)])


def _cells(values: dict[str, float]) -> list[str]:
    return [f"{values[key]:.4f}" for key in METRICS]
