"""Scores by every rule set: of arrays, and of a folder of results."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinned.synthetic import FRAMES, command
from rgbt_track.evaluation import score_results

RULES = ("official", "pysot", "pytracking", "generic")
BENCHMARKS = ("gtot", "rgbt210", "rgbt234", "lasher", "vtuav")


def drifting_results(seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Ground truth and results of three sequences: good, drifting, and lost at the end."""
    rng = np.random.default_rng(seed)
    truth, results = {}, {}
    for number, name in enumerate(("walk", "car", "kite")):
        steps = rng.integers(-8, 9, (40, 2)).cumsum(axis=0) / 2 + 120
        sides = rng.integers(20, 60, 2) + rng.integers(0, 5, (40, 2))
        truth[name] = np.concatenate([steps, sides], axis=1).astype(float)
        drift = np.concatenate([np.linspace(0, 9 * number, 40)[:, None].repeat(2, 1)] * 2, axis=1)
        results[name] = np.round(truth[name] + drift + rng.integers(-3, 4, (40, 4)), 2)
    results["kite"][30:] += 100
    truth["car"][7] = 0  # as where a benchmark has no target
    return truth, results


def benchmark_scores(benchmark: str) -> dict[str, Any]:
    """``score_results`` by all rules; an entry may be what the rules say against the boxes."""
    truth, results = drifting_results(11)
    if benchmark == "gtot":
        truth = {name: np.c_[b[:, :2], b[:, :2] + b[:, 2:]] for name, b in truth.items()}
    both: Mapping[str, Any] = {n: {"visible": b, "infrared": b + 1} for n, b in truth.items()}
    scores = {}
    for rules in RULES:
        given = both if benchmark in ("gtot", "rgbt234", "vtuav") else truth
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores[rules] = score_results(benchmark, results, given, rules)
    return scores


def folder_scores(sequences: Path, folder: Path) -> dict[str, Any]:
    """``rgbt-track score`` of a results folder by all rules: overall, sequences, attributes."""
    rng = np.random.default_rng(3)
    (folder / "late").mkdir(parents=True)
    for sequence in sorted(sequences.iterdir()):
        truth = np.loadtxt(sequence / "groundtruth.txt", delimiter=",")
        rows = truth + np.linspace(0, 12, FRAMES)[:, None] + rng.integers(-2, 3, truth.shape)
        np.savetxt(folder / "late" / f"{sequence.name}.txt", rows, fmt="%.2f", delimiter=",")
    options = ("--root", sequences, "--results", folder, "--format", "json")
    scores = {r: json.loads(command("score", "plain", *options, "--rules", r)) for r in RULES}
    for one in scores.values():
        del one["rgbt_track"]  # the version
    return scores
