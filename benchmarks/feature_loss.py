"""The papers' trackers in small, two epochs on synthetic video, and the places of eq. 15.

    python benchmarks/feature_loss.py [OUT]

Every system has the backbone and the crops of a tiny tracker, its own branches, fusion, losses and
stage; the second stages start from the small DFAT. Printed are the loss before and after training
and, of the fused branch, the feature loss before and after and its own two terms after, for the
feature loss behind the neck and at the backbone, on search and template crops, and without one.

All are means over the same pairs, which training does not draw: the targets of eq. 15 are levels of
the frozen branches, of whose magnitude its Gram term is the fourth power, so one batch has up to 20
times the loss of another, and the means of two epochs' steps do not compare.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import Config, load_config
from rgbt_track.models.checkpoint import load_weights
from rgbt_track.pairs.sources import pair_dataset
from rgbt_track.synthetic.dataset import synthesize_sequences
from rgbt_track.training.init_weights import load_start
from rgbt_track.training.module import TrackingModule
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
RATE = 0.001  # at 0.003 single steps overshoot so far that the Gram term is 20 times as large
UNSEEN = 99  # an epoch that training does not reach


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
        "optimizer": {"name": "adamw", "lr": RATE, "warmup_epochs": 0.1, "backbone": 1.0},
    }
    tracking = {**paper["tracking"], "template_size": 47, "search_size": 79}
    values = {"name": name, "model": {**MODEL, **own}, "tracking": tracking, "training": training}
    return from_mapping(Config, values, name)


def losses(config: Config, weights: Path | None) -> dict[str, float]:
    """Means of the terms over the same pairs, by the start of a run or by its weights."""
    module = TrackingModule(config)
    if weights is None:
        load_start(module.network, config.training)
    else:
        load_weights(module.network, weights)
    module.train()
    pairs = pair_dataset(config)
    sums: dict[str, float] = {}
    with torch.no_grad():
        for start in range(0, STEPS * BATCH, BATCH):
            items = [pairs[UNSEEN, start + index] for index in range(BATCH)]
            batch = torch.utils.data.default_collate(items)
            for name, value in module.losses(batch).items():
                sums[name] = sums.get(name, 0.0) + value.item() / STEPS
    return sums


def run(config: Config, out: Path) -> str:
    """Train and describe the losses in one line."""
    before = losses(config, None)
    train(config, out, devices=1, accelerator="cpu", progress=False)
    after = losses(config, out / "weights.safetensors")
    names = ["total"] + ["feature"] * ("feature" in before)
    text = " ".join(f"{side[name]:9.3f}" for name in names for side in (before, after))
    if "cls_fused" in after:
        text += " " * (20 * (len(names) == 1)) + f" {after['cls_fused']:9.3f}"
        text += f" {after['loc_fused']:9.3f}"
    return text


def main() -> None:
    """Train all of them and print a table."""
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        root = out / "synthetic"
        if not root.is_dir():
            synthesize_sequences(root, 3, 20, (160, 120), 0)
        columns = ("before", "after", "eq. 15", "after", "cls", "loc")
        print(" " * 40, *(f"{column:>9}" for column in columns))
        for name in FIRST:
            print(f"{name:40} {run(small(name, root, {}, None), out / name)}", flush=True)
        branches = out / "dfat" / "weights.safetensors"
        for number, (label, (name, changes)) in enumerate(SECOND.items()):
            config = small(name, root, changes, branches)
            print(f"{label:40} {run(config, out / str(number))}", flush=True)


if __name__ == "__main__":
    main()
