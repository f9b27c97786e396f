"""A table of image-fusion networks: parameters, time, and metrics over the same pairs."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich import box
from rich.table import Table

from fusion_modules.image import ImageFusion
from fusion_modules.image.metrics import METRICS
from rgbt_track.image_fusion.fuser import Fuser
from rgbt_track.image_fusion.metric_table import HEADINGS, MetricTable
from rgbt_track.io.files import atomic_path
from rgbt_track.io.frames import Frame, prepare_frames

NamedPair = tuple[str, Frame, Frame]


@dataclass(frozen=True)
class Row:
    """One row; parameters and seconds per pair are ``None`` where they are unknown."""

    metrics: dict[str, float]
    parameters: int | None = None
    seconds: float | None = None


@dataclass
class Comparison:
    """Rows by name, in the order added."""

    rows: dict[str, Row] = field(default_factory=dict)

    def to_rich(self) -> Table:
        """A table for the terminal."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for heading in ("parameters", "s / pair", *(HEADINGS.get(key, key) for key in METRICS)):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, row in self.rows.items():
            numbers = ["" if x != x else f"{x:.4f}" for x in (row.metrics[key] for key in METRICS)]
            parameters = "" if row.parameters is None else f"{row.parameters:,}"
            seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
            table.add_row(name, parameters, seconds, *numbers)
        return table

    def write_csv(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "parameters", "seconds_per_pair", *METRICS])
            for name, row in self.rows.items():
                seconds = "" if row.seconds is None else f"{row.seconds:.4f}"
                values = [row.metrics[key] for key in METRICS]
                numbers = ["" if x != x else f"{x:.6f}" for x in values]
                writer.writerow([name, row.parameters or "", seconds, *numbers])


def score_network(network: ImageFusion, pairs: Iterable[NamedPair], device: str = "cpu") -> Row:
    """Mean metrics of a network over the pairs, its parameters, and its seconds per pair.

    The time is that of fusing, without reading and scoring; the first pair, which warms up, does
    not count if there are more.
    """
    fuser = Fuser(network, device, color=False)
    table, seconds = MetricTable(), []
    for name, rgb, tir in pairs:
        started = time.perf_counter()
        fused = fuser.fuse(rgb, tir)
        seconds.append(time.perf_counter() - started)
        table.add_pair(name, fused.gray, fused.visible, fused.infrared)
    timed = seconds[1:] or seconds
    count = sum(parameter.numel() for parameter in network.parameters())
    return Row(table.mean(), count, sum(timed) / len(timed))


def score_mean(pairs: Iterable[NamedPair]) -> Row:
    """The plain mean of both images, truncated to whole gray levels: no network at all."""
    table = MetricTable()
    for name, rgb, tir in pairs:
        frames = prepare_frames(rgb, tir)
        visible, infrared = (cv2.cvtColor(frames[m], cv2.COLOR_RGB2GRAY) for m in ("rgb", "tir"))
        mean = ((visible.astype(np.uint16) + infrared) // 2).astype(np.uint8)
        table.add_pair(name, mean, visible, infrared)
    return Row(table.mean(), 0)
