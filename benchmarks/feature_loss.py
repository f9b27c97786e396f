"""The papers' trackers in small, two epochs on synthetic video, and the places of eq. 15.

    python benchmarks/feature_loss.py [OUT]

Every system has the backbone and the crops of a tiny tracker, its own branches, fusion, losses and
stage; the second stages start from the small DFAT. Printed are the means of the total loss over the
first and the last quarter of the steps, and of the fused branch's own two terms at the end, for the
feature loss behind the neck and at the backbone, on search and template crops, and without one.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import Config, load_config
from rgbt_track.synthetic.dataset import synthesize_sequences
from rgbt_track.training.metrics_reading import read_metrics
from rgbt_track.training.run import train

FIRST = ("dfat", "siamrpn_rgb", "siamrpn_tir", "early_fusion")
SECOND: dict[str, tuple[str, dict[str, Any]]] = {  # name: experiment, changes
    "dfat_rfn": ("dfat_rfn", {}),
    "lrrnet_tracker": ("lrrnet_tracker", {}),
    "  at the neck, both sides": ("lrrnet_tracker", {"feature_sides": ["search", "template"]}),
    "  at the neck, none": ("lrrnet_tracker", {"feature": 0.0}),
    "  fused at the backbone, eq. 15 there": ("lrrnet_tracker", {"feature_at": "backbone"}),
    "  the same, both sides": (
        "lrrnet_tracker",
        {"feature_at": "backbone", "feature_sides": ["search", "template"]},
    ),
    "  fused at the backbone, none": ("lrrnet_tracker", {"feature": 0.0, "fuse_at": "backbone"}),
}
MODEL = {
    "backbone": "lite",
    "backbone_args": {"widths": [8, 12, 12], "blocks": [1, 1, 1]},
    "pixels": "imagenet",
    "neck_channels": 12,
    "template_cells": 3,
    "head_channels": 12,
    "anchors": {"stride": 8, "ratios": [0.5, 1.0, 2.0], "scales": [3.0]},
}
STEPS, BATCH = 12, 4  # steps an epoch


def small(name: str, root: Path, changes: dict[str, Any], weights: Path | None) -> Config:
    """The experiment in small, on the sequences at ``root``."""
    paper = to_mapping(load_config(name))
    own = {key: paper["model"][key] for key in ("early_fusion", "fusion", "branches", "fuse_at")}
    loss = {**paper["training"]["loss"], **changes}
    own["fuse_at"] = loss.pop("fuse_at", loss["feature_at"])
    training = {
        **paper["training"],
        "root": str(root),
        "sources": [{"dataset": "plain"}],
        "init_weights": str(weights) if weights else None,
        "epochs": 2,
        "batch": BATCH,
        "pairs_per_epoch": STEPS * BATCH,
        "workers": 0,
        "log_every": 1,
        "store": {"size": 160},
        "augment": {**paper["training"]["augment"], "search_shift": 16},
        "targets": {"best_is_positive": True},
        "loss": loss,
        "optimizer": {"name": "adamw", "lr": 0.003, "warmup_epochs": 0.1, "backbone": 1.0},
    }
    tracking = {**paper["tracking"], "template_size": 47, "search_size": 79}
    values = {"name": name, "model": {**MODEL, **own}, "tracking": tracking, "training": training}
    return from_mapping(Config, values, name)


def run(config: Config, out: Path) -> str:
    """Train and describe the losses in one line."""
    train(config, out, devices=1, accelerator="cpu", progress=False)
    curves = {
        name: np.array(rows)[:, 1] for name, rows in read_metrics(out / "metrics.csv").items()
    }
    quarter = len(curves["train/total"]) // 4
    total = curves["train/total"]
    text = f"{total[:quarter].mean():9.3f} {total[-quarter:].mean():9.3f}"
    if "train/cls_fused" in curves:
        own = [curves[f"train/{term}_fused"][-quarter:].mean() for term in ("cls", "loc")]
        text += f" {own[0]:9.3f} {own[1]:9.3f}"
    return text


def main() -> None:
    """Train all of them and print a table."""
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        root = out / "synthetic"
        if not root.is_dir():
            synthesize_sequences(root, 3, 20, (160, 120), 0)
        print(f"{'':40} {'first':>9} {'last':>9} {'cls':>9} {'loc':>9}")
        for name in FIRST:
            print(f"{name:40} {run(small(name, root, {}, None), out / name)}", flush=True)
        branches = out / "dfat" / "weights.safetensors"
        for number, (label, (name, changes)) in enumerate(SECOND.items()):
            config = small(name, root, changes, branches)
            print(f"{label:40} {run(config, out / str(number))}", flush=True)


if __name__ == "__main__":
    main()
