"""Seconds to score a LasHeR-sized comparison: 245 sequences, 220,703 frames, several trackers.

Ground truth and results are synthetic boxes. Scored twice: from arrays, and from text files as
``rgbt-track score`` reads them, writing the whole report.

    python benchmarks/score_speed.py [--trackers 10]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rgbt_track.evaluation.comparison import compare_folders
from rgbt_track.evaluation.ground_truth import open_evaluation_set
from rgbt_track.evaluation.report.write import write_report
from rgbt_track.evaluation.rules import find_rules
from rgbt_track.evaluation.scoring import score_tracker
from rgbt_track.io.box_files import write_boxes

SEQUENCES, FRAMES = 245, 220_703


def sequence_lengths(random: np.random.Generator) -> list[int]:
    """Lengths that sum to the number of frames, unequal as in the data set."""
    cuts = np.sort(random.choice(np.arange(1, FRAMES), SEQUENCES - 1, replace=False))
    return np.diff(cuts, prepend=0, append=FRAMES).tolist()


def walks(random: np.random.Generator, lengths: list[int]) -> dict[str, np.ndarray]:
    """A random walk of one box per sequence, sequence -> (N, 4)."""
    boxes = {}
    for number, length in enumerate(lengths):
        steps = random.normal(0, 0.5, (length, 4)).cumsum(0)
        walk = np.array([300.0, 200, 40, 60]) + steps
        walk[:, 2:] = np.maximum(walk[:, 2:], 5)
        boxes[f"sequence{number:03d}"] = walk
    return boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trackers", type=int, default=10)
    count = parser.parse_args().trackers
    random = np.random.default_rng(0)
    truth = walks(random, sequence_lengths(random))
    results = [
        {name: boxes + random.normal(0, 8, boxes.shape) for name, boxes in truth.items()}
        for _ in range(count)
    ]
    rules = find_rules("lasher")
    began = time.perf_counter()
    for tracker in results:
        score_tracker(rules, tracker, truth)
    arrays = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        files = score_files(Path(folder), truth, results)
    print(f"{count} trackers, {SEQUENCES} sequences, {FRAMES:,} frames each")
    print(f"scored from arrays: {arrays:.1f} s")
    print(f"read from text, scored, report written: {files:.1f} s")


def score_files(
    root: Path, truth: dict[str, np.ndarray], results: list[dict[str, np.ndarray]]
) -> float:
    """Write everything as text files, then time what ``rgbt-track score`` does with them."""
    for name, boxes in truth.items():
        (root / "LasHeR" / name).mkdir(parents=True)
        write_boxes(root / "LasHeR" / name / "init.txt", boxes)
    for number, tracker in enumerate(results):
        (root / "results" / f"T{number}").mkdir(parents=True)
        for name, boxes in tracker.items():
            write_boxes(root / "results" / f"T{number}" / f"T{number}_{name}.txt", boxes, 4)
    began = time.perf_counter()
    data = open_evaluation_set("lasher", root / "LasHeR", split="all", images=False)
    folders = {f"T{number}": root / "results" / f"T{number}" for number in range(len(results))}
    write_report(root / "report", data, compare_folders(data, folders))
    return time.perf_counter() - began


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
