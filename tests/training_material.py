"""A tiny RGB-T set on disk and an experiment that trains on it in seconds; shared by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.io.images import write_image

SIZE = 96


def frame(number: int, hue: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A coloured, hot square over a fixed random ground: visible, thermal and box."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(60, 180, (12, 16, 3), np.uint8), (SIZE * 4 // 3, SIZE))
    rgb, tir = ground.copy(), cv2.cvtColor(ground, cv2.COLOR_RGB2GRAY) // 2
    x, y, w, h = 20 + 3 * number, 30 + 2 * number, 22, 30
    rgb[y : y + h, x : x + w] = (hue, 255 - hue, 40)
    rgb[y + 4 : y + 12, x + 4 : x + w - 4] = (255 - hue, 20, hue)
    tir[y : y + h, x : x + w] = 230
    return rgb, tir, np.array([x, y, w, h], float)


def write_set(root: Path, sequences: int = 3, frames: int = 6) -> Path:
    """The plain layout: ``color/ ir/ groundtruth.txt`` per sequence."""
    for index in range(sequences):
        folder = root / f"walk_{index}"
        for name in ("color", "ir"):
            (folder / name).mkdir(parents=True)
        rows = []
        for number in range(frames):
            rgb, tir, box = frame(number, (40 + 80 * index) % 256, index)
            write_image(folder / "color" / f"{number:04d}.png", rgb)
            write_image(folder / "ir" / f"{number:04d}.png", tir)
            rows.append(",".join(f"{value:g}" for value in box))
        (folder / "groundtruth.txt").write_text("\n".join(rows) + "\n")
    return root


def tiny_experiment(root: Path, **training: Any) -> Config:
    """The lite tracker at the smallest size that still has a response map, on the set at root."""
    values: dict[str, Any] = {
        "name": "tiny",
        "model": {
            "backbone": "lite",
            "backbone_args": {"widths": [8, 8, 8], "blocks": [1]},
            "pixels": "imagenet",
            "neck_channels": 8,
            "template_cells": 3,
            "fusion": "llrr_light",
            "head_channels": 8,
            "anchors": {"stride": 8, "ratios": [0.5, 1.0, 2.0], "scales": [3.0]},
        },
        "tracking": {"template_size": 47, "search_size": 79},
        "training": {
            "root": str(root),
            "sources": [{"dataset": "plain"}],
            "seed": 3,
            "epochs": 2,
            "batch": 4,
            "pairs_per_epoch": 16,
            "workers": 0,
            "checkpoint_every": 1000,
            "store": {"size": 160},
            "augment": {"search_shift": 16},
            "targets": {"best_is_positive": True},
            "loss": {"feature_levels": [0, 0, 0]},
            "optimizer": {"name": "adamw", "lr": 0.003, "warmup_epochs": 0.5, "backbone": 1.0},
            **training,
        },
    }
    return from_mapping(Config, values, "tiny")
