"""Fusions side by side: each trained behind the same frozen branches for the same number of steps.

    python benchmarks/compare_fusions.py lrrtrack_lite --data day=plain:DIR:walk_* --backward \\
        --steps 100 --seeds 1 2 --out fusions/ training.root=PACKED

The tracker's own weights give backbone, neck and branches. Every fusion and its head start anew
(``training.stage=fusion``, ``training.init_fusion_anew``) and are trained by ``rgbt-track train``
in a process of their own, once per seed, into a run folder below --out; a run that is there is not
repeated. Settings after the options are those of the training. A fusion's arguments follow its
name: ``llrr_light:start=mean``.

Printed are, per group and direction, the mean AO over sequences with all branches joined and with
the fused branch alone, averaged over seeds, with half the distance of the extreme seeds; in the
first row the RGB and the thermal branch joined without a fused one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compare_trackers import score_run

from rgbt_track.config.run_files import CONFIG, WEIGHTS
from rgbt_track.config.tracker import Config, load_config
from rgbt_track.evaluation.runner import run_sequence
from rgbt_track.evaluation.tuning.groups import Group, open_group, view_group
from rgbt_track.evaluation.tuning.views import FrameCache
from rgbt_track.io.files import write_text
from rgbt_track.models.engines.create import create_engine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.tracking.loading import load_network, own_weights
from rgbt_track.tracking.tracker import Tracker

FUSIONS = ["mean", "concat", "rfn", "llrr_light", "llrr"]
JOINED = {"joined": ("rgb", "tir", "fused"), "alone": ("fused",)}
NONE = {"joined": ("rgb", "tir")}
CACHE_BYTES = 1 << 30

Scores = dict[str, float]  # "group direction way" -> mean AO


def train(name: str, seed: int, weights: Path, arguments: argparse.Namespace) -> Path:
    """The run folder of a fusion, trained for ``--steps`` unless it holds weights already."""
    folder = Path(arguments.out) / f"{name.replace(':', '_').replace('=', '_')}_{seed}"
    if (folder / WEIGHTS).is_file():
        return folder
    config = load_config(arguments.tracker)
    fusion, *options = name.split(":")
    pairs = arguments.steps * config.training.batch * arguments.devices
    settings = [
        f"model.fusion={fusion}",
        f"model.fusion_args={{{', '.join(option.replace('=', ': ') for option in options)}}}",
        f"training.init_weights={weights}",
        "training.init_backbone=null",
        "training.stage=fusion",
        "training.init_fusion_anew=true",
        f"training.seed={seed}",
        "training.epochs=1",
        f"training.pairs_per_epoch={pairs}",
        "training.validation=[]",
        *arguments.settings,
    ]
    command = [sys.executable, "-m", "rgbt_track", "train", arguments.tracker, *settings]
    with_options = [*command, "--devices", str(arguments.devices), "--out", str(folder)]
    with (Path(arguments.out) / f"{folder.name}.log").open("w") as log:
        if subprocess.run(with_options, stdout=log, stderr=subprocess.STDOUT).returncode:
            raise ValueError(f"training of {name} failed; see {log.name}")
    return folder


def tracker_of(config: Config, weights: Path, branches: tuple[str, ...], engine: str) -> Tracker:
    """The tracker with these branches alone."""
    config = replace(config, model=replace(config.model, branches=branches))
    network = prepare_for_inference(load_network(config.name, config, weights))
    return Tracker(create_engine(network, config, engine=engine), config)


def score(tracker: Tracker, groups: Sequence[Group], way: str) -> Scores:
    """Mean AO over the labelled frames but the first of each run, per group and direction."""
    overlaps: dict[str, list[float]] = {}
    for group in groups:
        for view in group.views:
            overlap = score_run(run_sequence(tracker, view), view.boxes).ao
            direction = "backward" if view.backward else "forward"
            key = f"{group.name} {direction} {way}"
            overlaps.setdefault(key, []).append(overlap)
    return {key: float(np.mean(values)) for key, values in overlaps.items()}


def score_ways(
    config: Config,
    weights: Path,
    groups: Sequence[Group],
    ways: dict[str, tuple[str, ...]],
    engine: str,
) -> Scores:
    scores: Scores = {}
    for way, branches in ways.items():
        scores |= score(tracker_of(config, weights, branches, engine), groups, way)
    return scores


def print_table(results: dict[str, list[Scores]]) -> None:
    columns = list(dict.fromkeys(key for runs in results.values() for run in runs for key in run))
    rows = [["fusion", *columns]]
    for name, runs in results.items():
        scores = ([run[key] for run in runs if key in run] for key in columns)
        rows.append([name, *map(mean_and_spread, scores)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}s}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def mean_and_spread(scores: Sequence[float]) -> str:
    if len(scores) < 2:
        return "".join(f"{value:.3f}" for value in scores)
    return f"{np.mean(scores):.3f} ±{(max(scores) - min(scores)) / 2:.3f}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", help="a YAML, or the name of a shipped one")
    parser.add_argument("settings", nargs="*", help="of the training, as key.key=value")
    parser.add_argument("--weights", help="of the branches; the tracker's own without it")
    parser.add_argument("--data", action="append", required=True, help="NAME=DATASET:ROOT[:NAMES]")
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--limit", type=int, default=0, help="frames of each run; 0 for all")
    parser.add_argument("--fusions", nargs="+", default=FUSIONS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--devices", type=int, default=1, help="processes of the training")
    parser.add_argument("--engine", default="auto", help="what runs the network when it is scored")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, help="folder of the runs and of scores.json")
    return parser.parse_intermixed_args(arguments)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse(argv)
    torch.set_num_threads(arguments.threads)
    config = load_config(arguments.tracker)
    file = arguments.weights or own_weights(config, arguments.tracker)
    if file is None:
        raise ValueError(f"{arguments.tracker} has no weights: give --weights")
    weights = Path(file).resolve()
    opened = [open_group(text) for text in arguments.data]
    cache = FrameCache(CACHE_BYTES)
    groups = view_group(opened, backward=arguments.backward, limit=arguments.limit, cache=cache)
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    results: dict[str, list[Scores]] = {
        "none": [score_ways(config, weights, groups, NONE, arguments.engine)]
    }
    for name in arguments.fusions:
        results[name] = []
        for seed in arguments.seeds:
            folder = train(name, seed, weights, arguments)
            trained = load_config(folder / CONFIG)
            scores = score_ways(trained, folder / WEIGHTS, groups, JOINED, arguments.engine)
            results[name].append(scores)
    print_table(results)
    document: dict[str, Any] = {"arguments": vars(arguments), "scores": results}
    write_text(Path(arguments.out) / "scores.json", json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(f"error: {error}")
