"""Metrics of fused images of another program."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2

from rgbt_track.image_fusion.inputs import NamedPairs, check_names
from rgbt_track.image_fusion.metric_table import MetricTable
from rgbt_track.io.frames import Frame, as_rgb_uint8, prepare_frames
from rgbt_track.io.images import read_tir
from rgbt_track.io.sources import FolderSource


def score_fused(
    pairs: NamedPairs, fused: Path, named: Iterable[tuple[str, Frame, Frame]]
) -> MetricTable:
    """Metrics of the images in the folder ``fused``, by name where names agree, else by order.

    ``named`` iterates ``pairs``, perhaps with a progress bar around it. Color images are scored by
    their luminance. Raises ``FileNotFoundError`` or ``ValueError`` for a folder that does not fit.
    """
    if not fused.is_dir():
        raise FileNotFoundError(f"no such folder of fused images: {fused}")
    paths = {path.stem: path for path in FolderSource(fused, thermal=False).paths}
    if pairs.length is not None and len(paths) != pairs.length:
        raise ValueError(f"{fused}: {len(paths)} images for {pairs.length} pairs")
    names = pairs.names or [f"{index:06d}" for index in range(len(paths))]
    check_names(names, list(paths), "--rgb", str(fused))
    ordered = [paths[name] for name in names] if names[0] in paths else list(paths.values())
    table = MetricTable()
    for (name, rgb, tir), path in zip(named, ordered, strict=False):
        frames = prepare_frames(rgb, tir) | {"fused": as_rgb_uint8(read_tir(path), "fused")}
        gray = {key: cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for key, frame in frames.items()}
        height, width = gray["fused"].shape
        source_height, source_width = gray["rgb"].shape
        if (height, width) != (source_height, source_width):
            raise ValueError(
                f"{path}: {width}x{height} pixels, but its sources have "
                f"{source_width}x{source_height}; metrics compare pixel by pixel"
            )
        table.add_pair(name, gray["fused"], gray["rgb"], gray["tir"])
    return table
