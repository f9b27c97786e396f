"""Packed crops, pseudo boxes, the losses of a short training, and a fused picture."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pinned.synthetic import command, rounded, summary


def content(file: Path) -> dict[str, bytes]:
    """Every key and value of a store; of a copy, because LMDB opens a file once per process."""
    import lmdb

    copy = str(shutil.copy(file, file.with_suffix(".copy")))
    environment = lmdb.open(copy, subdir=False, readonly=True, lock=False)
    with environment, environment.begin() as transaction:
        return {key.decode(): value for key, value in transaction.cursor()}


def packed(sequences: Path, file: Path) -> dict[str, Any]:
    """Everything in a store of packed crops: keys, index, settings and decoded crops."""
    size = ("--size", 96, "--workers", 0, "--every", 3)
    command("data", "lmdb", "plain", file, "--root", sequences, *size)
    values = content(file)
    index = np.load(io.BytesIO(values["index"]))
    crops = {
        key: cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_UNCHANGED)
        for key, value in values.items()
        if key.startswith("crop/")
    }
    return {
        "keys": sorted(values),
        "job": values["job"].decode(),
        "meta": json.loads(values["meta"]),
        "frames": index["frames"].tolist(),
        "boxes": rounded(index["boxes"]),
        "fill": index["fill"].tolist(),
        "crops": {key: summary(image) for key, image in list(crops.items())[::4]},
    }


def pseudo_boxes(sequences: Path, folder: Path) -> list[list[float]]:
    """The pseudo boxes of unlabelled images, in pixels of the stored crops."""
    (folder / "images").mkdir(parents=True)
    for number in (1, 6):
        image = (sequences / "day" / "color" / f"{number:08d}.jpg").read_bytes()
        (folder / "images" / f"{number}.jpg").write_bytes(image)
    options = ("--root", folder, "--pseudo-boxes", 3, "--size", 64, "--workers", 0)
    command("data", "lmdb", "images", folder / "images.lmdb", *options)
    return rounded(np.load(io.BytesIO(content(folder / "images.lmdb")["index"]))["boxes"])


EXPERIMENT: dict[str, Any] = {
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
        "seed": 3,
        "epochs": 1,
        "batch": 4,
        "pairs_per_epoch": 24,
        "workers": 0,
        "log_every": 1,
        "store": {"size": 96},
        "augment": {"search_shift": 16, "registration": 1.5, "obscured": 0.3},
        "targets": {"best_is_positive": True},
        "loss": {"iou": 0.5, "feature": 0.1, "feature_levels": [0, 0, 0]},
        "optimizer": {"name": "adamw", "lr": 0.003, "warmup_epochs": 0.5, "backbone": 1.0},
    },
}


def losses(sequences: Path, store: Path, folder: Path) -> dict[str, list[float]]:
    """Every logged number of six steps on pairs out of a packed store and out of loose files."""
    folder.mkdir()
    sources = [
        {"lmdb": str(store), "weight": 2},
        {"dataset": "plain", "folder": str(sequences), "frame_range": 5},
    ]
    training = {**EXPERIMENT["training"], "root": str(folder), "sources": sources}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, "training": training}))
    options = ("--accelerator", "cpu", "--devices", 1, "--out", folder / "run")
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        command("train", path, *options)
    rows = list(csv.DictReader((folder / "run" / "metrics.csv").read_text().splitlines()))
    names = {row["name"] for row in rows}
    return {
        name: [float(row["value"]) for row in rows if row["name"] == name] for name in sorted(names)
    }


def fused(sequences: Path, folder: Path) -> dict[str, Any]:
    """A frame pair fused by the shipped network, in color, and its metrics."""
    pair = ("--rgb", sequences / "day" / "color" / "00000001.jpg")
    pair += ("--tir", sequences / "day" / "ir" / "00000001.png")
    folder.mkdir()
    look = ("--look", "network")
    command("fuse", folder / "fused.png", *pair, *look, "--csv", folder / "metrics.csv")
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    image = cv2.imread(str(folder / "fused.png"), cv2.IMREAD_UNCHANGED)
    return {"picture": summary(image), "metrics": rows}
