"""Our tracker compared with published RGB trackers, on the same frames in one process.

    python benchmarks/compare_trackers.py plain --root DIR [--sequences NAME ...] [--picture PNG]
    python benchmarks/compare_trackers.py --data day=plain:DIR:walk_* --data night=plain:DIR:bus \\
        --data thermal=plain_tir:DIR --backward --teacher DIR --json comparison.json

Ours runs on both modalities and on each alone; the others on the mean of both images, which is one
way to give them both, and on each alone. Where a data set has one modality, that is "both". Printed
are, per group, the means over its runs of AO (mean overlap of all labelled frames but the first),
SR@0.5 (share of them with an overlap above 0.5) and PR@20 (share with the center within 20 pixels),
and frames per second without reading the frames; then the means over groups, which count alike.
--backward runs every sequence from its last labelled frame to the first as well.

CSRT and KCF come with opencv-contrib-python. --teacher is a folder with NanoTrack v3 as
backbone.onnx and head.onnx, --vit the ONNX file of ViTTrack.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from peer_trackers import NanoTrack, opencv_trackers

from rgbt_track import __version__, load_tracker
from rgbt_track.boxes import iou_xywh
from rgbt_track.data import open_dataset
from rgbt_track.evaluation.metrics import average_overlap, center_distances
from rgbt_track.evaluation.runner import SequenceRun, run_sequence
from rgbt_track.evaluation.tuning.groups import Group, fingerprint, open_group, view_group
from rgbt_track.evaluation.tuning.views import FrameCache, SequenceView
from rgbt_track.io.drawing import draw_pair
from rgbt_track.io.files import write_text
from rgbt_track.io.frames import prepare_frames
from rgbt_track.io.images import write_image
from rgbt_track.resources import default_tracker

VIEWS = {"both": ("rgb", "tir"), "rgb": ("rgb",), "tir": ("tir",)}
CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Score:
    """One tracker in one view on some frames."""

    ao: float
    success: float
    precision: float
    frames: int
    seconds: float

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


Scores = dict[str, Score]  # tracker and view -> score


def score_run(run: SequenceRun, truth: np.ndarray) -> Score:
    """The labelled frames after the first, in which the target is given."""
    labelled = np.isfinite(truth).all(1)
    labelled[0] = False
    boxes, truth = run.boxes[labelled], truth[labelled]
    return Score(
        average_overlap(boxes, truth),
        float((iou_xywh(boxes, truth) > 0.5).mean()),
        float((center_distances(boxes, truth) <= 20).mean()),
        len(run.boxes),
        float(run.seconds.sum()),
    )


def mean(scores: Iterable[Score]) -> Score:
    """Measures are averaged; frames and seconds, of which the rate is made, are summed."""
    scores = list(scores)
    measures = np.mean([[item.ao, item.success, item.precision] for item in scores], axis=0)
    frames, seconds = sum(item.frames for item in scores), sum(item.seconds for item in scores)
    return Score(*map(float, measures), frames, seconds)


def common_means(tables: Sequence[Scores]) -> Scores:
    """The mean over tables of every row that all of them have."""
    names = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: mean(table[name] for table in tables) for name in names}


def run_views(trackers: dict[str, Any], view: SequenceView) -> tuple[Scores, dict[str, np.ndarray]]:
    """Every tracker in every view that the sequence has: scores, and the boxes (N, 4)."""
    sequence, scores, boxes = view.sequence, {}, {}
    there = [name for name in VIEWS["both"] if getattr(sequence, name) is not None]
    for tracker_name, tracker in trackers.items():
        for view_name, wanted in VIEWS.items():
            shown = tuple(name for name in wanted if name in there)
            name = f"{tracker_name} {view_name}"
            if len(there) == 1 and view_name in there:
                scores[name] = scores[f"{tracker_name} both"]
            elif shown:
                one = SequenceView(sequence, shown, view.backward, view.limit, view.cache)
                run = run_sequence(tracker, one)
                scores[name], boxes[name] = score_run(run, one.boxes), run.boxes
    return scores, boxes


def warm_up(trackers: dict[str, Any]) -> None:
    """Let every tracker compile what it runs, a wider search of a lost target included."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 240, 320, 3), dtype=np.uint8)
    for tracker in trackers.values():
        for shown in VIEWS.values():
            first, second = (
                [frame if name in shown else None for name in VIEWS["both"]] for frame in frames
            )
            state = tracker.init(*first, np.array([100.0, 80, 40, 60]))
            tracker.update(*second, state)


def print_table(title: str, scores: Scores) -> None:
    width = max(map(len, scores))
    print(f"\n{title}\n{'tracker':{width}s}      AO  SR@0.5   PR@20      fps")
    for name, item in scores.items():
        print(
            f"{name:{width}s}  {item.ao:6.3f}  {item.success:6.3f}  {item.precision:6.3f}"
            f"  {item.rate:7.1f}"
        )


def print_rates(scores: Scores, own: str) -> None:
    for name, item in scores.items():
        if name.endswith(" both") and name != own:
            print(f"rate of {own} over {name}: {scores[own].rate / item.rate:.2f}")


def open_groups(arguments: argparse.Namespace) -> list[Group]:
    opened = [open_group(text) for text in arguments.data or []]
    if arguments.dataset:
        if not arguments.root:
            raise ValueError(f"{arguments.dataset}: give --root, where it lies")
        sequences = open_dataset(arguments.dataset, arguments.root, sequences=arguments.sequences)
        opened.insert(0, (Path(arguments.dataset).stem, sequences))
    if not opened:
        raise ValueError("no sequences: give a data set with --root, or --data")
    cache = FrameCache(CACHE_BYTES)
    return view_group(opened, backward=arguments.backward, limit=arguments.limit, cache=cache)


def load_trackers(arguments: argparse.Namespace) -> dict[str, Any]:
    own = load_tracker(
        arguments.tracker,
        weights=arguments.weights,
        engine=arguments.engine,
        precision=arguments.precision,
    )
    trackers: dict[str, Any] = {own.config.name: own}
    if not arguments.only_ours:
        trackers.update(opencv_trackers(arguments.opencv, arguments.vit))
    if arguments.teacher:
        trackers["NanoTrack v3"] = NanoTrack(arguments.teacher, arguments.threads)
    return trackers


def draw_middle(view: SequenceView, boxes: np.ndarray) -> np.ndarray:
    """The middle frame of a run with our box, visible beside thermal."""
    middle = len(view) // 2
    frames = prepare_frames(*view.frame(middle))
    first = next(iter(frames.values()))
    pair = (frames.get("rgb", first), frames.get("tir", first))
    return cv2.resize(draw_pair(*pair, boxes[middle], view.name), (960, 360))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", help="a described data set, for instance plain")
    parser.add_argument("--root")
    parser.add_argument("--sequences", nargs="*", help="their names; all without it")
    parser.add_argument("--data", action="append", help="NAME=DATASET:ROOT or with :PATTERNS")
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--limit", type=int, default=0, help="frames of each run; 0 for all")
    parser.add_argument("--tracker", default=default_tracker())
    parser.add_argument("--weights")
    parser.add_argument("--engine", default="auto", help="what runs our network, see load_tracker")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--opencv", nargs="*", default=["CSRT"], help="CSRT, KCF, MIL, ...")
    parser.add_argument("--only-ours", action="store_true", help="without those of OpenCV")
    parser.add_argument("--teacher", help="folder of backbone.onnx and head.onnx")
    parser.add_argument("--vit", help="ViTTrack's ONNX file")
    parser.add_argument("--each", action="store_true", help="print a table per sequence, too")
    parser.add_argument("--json", help="write everything to this file")
    parser.add_argument("--picture", help="a PNG: the middle frame of each run, our boxes")
    return parser.parse_args(arguments)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse(argv)
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    groups, trackers = open_groups(arguments), load_trackers(arguments)
    own = f"{next(iter(trackers))} both"
    warm_up(trackers)
    directions: dict[str, dict[str, Scores]] = {}  # forward or backward -> group -> means
    runs: dict[str, dict[str, Scores]] = {}  # group -> run -> scores
    images = []
    for group in groups:
        runs[group.name] = {}
        by_direction: dict[str, list[Scores]] = {}
        for view in group.views:
            scores, boxes = run_views(trackers, view)
            runs[group.name][view.name] = scores
            by_direction.setdefault("backward" if view.backward else "forward", []).append(scores)
            if arguments.each:
                print_table(f"{view.name} ({len(view)} frames)", scores)
            if arguments.picture:
                images.append(draw_middle(view, boxes[own]))
        for direction, tables in by_direction.items():
            means = common_means(tables)
            directions.setdefault(direction, {})[group.name] = means
            print_table(f"{group.name}, {direction}, {len(tables)} runs", means)
    overall = {
        direction: common_means(list(tables.values())) for direction, tables in directions.items()
    }
    overall["all"] = common_means(list(overall.values()))
    count = f"{len(groups)} group{'s' if len(groups) > 1 else ''}"
    for direction, means in overall.items():
        if direction != "all" or len(overall) > 2:
            print_table(f"mean of {count}, {direction}", means)
    print_rates(overall["all"], own)
    if arguments.json:
        document = {
            "rgbt_track": __version__,
            "arguments": vars(arguments),
            "data": fingerprint(groups),
            "mean_over_groups": to_plain(overall),
            "groups": to_plain(directions),
            "runs": to_plain(runs),
        }
        write_text(arguments.json, json.dumps(document, indent=1) + "\n")
    if arguments.picture:
        write_image(arguments.picture, np.vstack(images))


def to_plain(value: Any) -> Any:
    """Nested dictionaries of scores as JSON, with their rates."""
    if isinstance(value, Score):
        return {**asdict(value), "rate": value.rate}
    return {key: to_plain(item) for key, item in value.items()}


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(f"error: {error}")
