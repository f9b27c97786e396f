"""Metrics of fused pictures that some other program wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2

from fusion_modules.image.metrics import fusion_metrics
from rgbt_track.image_fusion.fuser import Picture
from rgbt_track.image_fusion.inputs import NamedPairs, check_names
from rgbt_track.image_fusion.metric_table import MetricTable
from rgbt_track.io.frames import Frame, as_rgb_uint8, prepare_frames
from rgbt_track.io.images import read_tir
from rgbt_track.io.sources import FolderSource


def score_fused(
    pairs: NamedPairs, fused: Path, named: Iterable[tuple[str, Frame, Frame]]
) -> MetricTable:
    """Metrics of the pictures in the folder ``fused``, by name where names agree, else by order.

    ``named`` iterates ``pairs``, perhaps with a progress bar around. Colour is judged by its
    luminance. Raises ``FileNotFoundError`` or ``ValueError`` for a folder that does not fit.
    """
    if not fused.is_dir():
        raise FileNotFoundError(f"no such folder of fused pictures: {fused}")
    paths = {path.stem: path for path in FolderSource(fused, thermal=False).paths}
    if pairs.length is not None and len(paths) != pairs.length:
        raise ValueError(f"{fused}: {len(paths)} pictures for {pairs.length} pairs")
    names = pairs.names or [f"{index:06d}" for index in range(len(paths))]
    check_names(names, list(paths), "--rgb", str(fused))
    ordered = [paths[name] for name in names] if names[0] in paths else list(paths.values())
    table = MetricTable()
    for (name, rgb, tir), path in zip(named, ordered, strict=False):
        table.add(name, _metrics(rgb, tir, path))
    return table


def _metrics(rgb: Frame, tir: Frame, path: Path) -> dict[str, float]:
    frames = prepare_frames(rgb, tir)
    fused = _grey(as_rgb_uint8(read_tir(path), "fused"))
    visible, infrared = _grey(frames["rgb"]), _grey(frames["tir"])
    if fused.shape != visible.shape:
        raise ValueError(
            f"{path}: {fused.shape[1]}x{fused.shape[0]} pixels, but its sources have "
            f"{visible.shape[1]}x{visible.shape[0]}; metrics compare pixel by pixel"
        )
    return fusion_metrics(fused, visible, infrared)


def _grey(rgb: Picture) -> Picture:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
