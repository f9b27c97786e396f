"""Every engine and precision of a tracker in one run, as ratios to two eager passes.

    python benchmarks/engines.py [lrrtrack_small] [--turns 20] [--threads 2] [--only openvino ...]
        [--data DIR --limit 100] [--calibrate DIR] [--rate --teacher DIR]

Two eager passes are the single-modality trackers of the same network, unfolded in torch, one after
the other. All run end to end (crops, network, decision, box) on the same random frames, turn by
turn; the wider search for a lost target is off, as nothing is ever found there. int8 is exported to
a temporary folder, calibrated on synthetic sequences or those in --calibrate.

--data adds the AO of every engine on sequences (layout ``plain``), and the mean overlap of its
boxes with those of torch in fp32; weights that are not trained have no AO worth the name, so only
the overlap is printed. --rate adds frames per second on a synthetic 640x480 sequence, beside CSRT
where OpenCV has it and NanoTrack v3 (--teacher, a folder of backbone.onnx and head.onnx).
"""

from __future__ import annotations

import argparse
import copy
import itertools
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from frame_time import BOX, FusionTimer, InTurn, single_tracker
from interleaved import measure, print_ratios
from peer_trackers import NanoTrack, opencv_trackers

from rgbt_track import load_tracker
from rgbt_track.boxes import iou_xywh
from rgbt_track.config.tracker import Config
from rgbt_track.data import open_dataset
from rgbt_track.evaluation.metrics import average_overlap
from rgbt_track.evaluation.runner import run_sequence
from rgbt_track.models.engines.create import create_engine
from rgbt_track.models.engines.export import write_export
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.resources import default_tracker
from rgbt_track.synthetic.scene import scene_frames
from rgbt_track.tracking.calibration import read_clips, run_clips, synthetic_clips
from rgbt_track.tracking.loading import is_untrained, load_network, read_config
from rgbt_track.tracking.tracker import Tracker

REFERENCE, FOLDED = "two eager passes", "torch fp32"
ENGINES = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)


def build_trackers(
    network: RGBTNetwork, config: Config, arguments: argparse.Namespace, folder: Path
) -> dict[str, Tracker]:
    """Every engine that was asked for, and torch in fp32 as the reference of boxes."""
    trackers = {}
    for engine, precision in ENGINES:
        name = f"{engine} {precision}"
        if name != FOLDED and arguments.only and engine not in arguments.only:
            continue
        try:
            if precision == "int8":
                trackers[name] = quantized_tracker(network, config, engine, arguments, folder)
                continue
            prepared = prepare_for_inference(copy.deepcopy(network))
            runner = create_engine(prepared, config, engine=engine, precision=precision)
            trackers[name] = Tracker(runner, config)
        except ModuleNotFoundError as error:
            print(f"{name}: {error}", file=sys.stderr)
    return trackers


def quantized_tracker(
    network: RGBTNetwork, config: Config, engine: str, arguments: argparse.Namespace, folder: Path
) -> Tracker:
    out = folder / engine
    if arguments.calibrate:
        clips = read_clips(arguments.calibrate)
    else:
        clips = synthetic_clips(frames=arguments.calibration_frames)
    format = "openvino" if engine == "openvino" else "onnx"
    report = write_export(
        out, network, config, format, "int8", lambda other: run_clips(other, config, clips)
    ).calibration
    assert report is not None
    print(
        f"{engine} int8, {report.frames} frames of the calibration: AO {report.ao_fp32:.3f} in "
        f"fp32, {report.ao_int8:.3f} in int8; boxes overlap by {report.box_overlap:.3f}",
        flush=True,
    )
    return load_tracker(out)


def print_times(
    trackers: dict[str, Tracker], network: RGBTNetwork, config: Config, turns: int
) -> None:
    rng = np.random.default_rng(0)
    rgb, tir = rng.integers(0, 256, (2, 480, 640, 3), dtype=np.uint8)
    passes = InTurn(single_tracker(config, network, prepared=False), rgb, tir)
    functions: dict[str, Callable[[], object]] = {REFERENCE: lambda: passes.update(rgb, tir)}
    eager = Tracker(copy.deepcopy(network), config)
    everything = {"torch eager, both at once": eager, **trackers}
    for name, tracker in everything.items():
        state = tracker.init(rgb, tir, BOX)
        functions[name] = lambda tracker=tracker, state=state: tracker.update(rgb, tir, state)  # type: ignore[misc]
    print(f"\n{config.name}, {config.tracking.threads} threads, ms, medians of {turns} turns")
    print_ratios(measure(functions, turns), REFERENCE)
    folded = trackers[FOLDED]
    fusion = getattr(folded.engine, "network").fusion  # noqa: B009
    if fusion is not None:
        timer = FusionTimer(fusion)
        whole = measure({FOLDED: functions[FOLDED]}, turns, 0)[FOLDED].clock
        print(f"share of the fusion in a frame of {FOLDED}: {timer.seconds / turns / whole:.1%}")


def print_overlaps(
    trackers: dict[str, Tracker], root: str, limit: int, names: list[str] | None, untrained: bool
) -> None:
    """AO on labelled sequences, and how much boxes overlap with those of torch in fp32."""
    sequences = open_dataset("plain", root, sequences=names)
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in trackers}
    for sequence in sequences:
        cut = First(sequence, limit or len(sequence))
        boxes = {name: run_sequence(tracker, cut).boxes for name, tracker in trackers.items()}
        labelled = np.isfinite(cut.boxes).all(1)
        labelled[0] = False
        for name, found in boxes.items():
            ao = average_overlap(found[labelled], cut.boxes[labelled])
            rows[name].append((ao, float(iou_xywh(found, boxes[FOLDED]).mean())))
    print(f"\nmeans over {len(sequences)} sequences; overlap: with the boxes of {FOLDED}")
    if untrained:
        print("the weights are not trained: AO says nothing and is not printed")
    print(f"{'':20s}      AO  overlap")
    for name, values in rows.items():
        ao, overlap = np.mean(values, axis=0)
        print(f"{name:20s}  {'     -' if untrained else f'{ao:6.3f}'}   {overlap:6.3f}")


class First:
    """The first frames of a sequence."""

    def __init__(self, sequence: Any, count: int) -> None:
        self.name, self.frame, self.boxes = sequence.name, sequence.frame, sequence.boxes[:count]

    def __len__(self) -> int:
        return len(self.boxes)


class Following:
    """A tracker on a sequence that goes forward and back for ever."""

    def __init__(self, tracker: Any, frames: list[tuple[Any, Any]], box: np.ndarray) -> None:
        self._tracker, self._state = tracker, tracker.init(*frames[0], box)
        self._frames = itertools.cycle([*frames[1:], *frames[-2::-1]])

    def step(self) -> None:
        self._state = self._tracker.update(*next(self._frames), self._state)


def print_rates(trackers: dict[str, Any], arguments: argparse.Namespace) -> None:
    peers = dict(opencv_trackers(["CSRT"], None))
    if arguments.teacher:
        peers["NanoTrack v3"] = NanoTrack(arguments.teacher, arguments.threads)
    scene = list(scene_frames(3, 30, (640, 480), "day"))
    frames = [(frame.rgb, frame.tir) for frame in scene]
    followers = {
        name: Following(tracker, frames, scene[0].box)
        for name, tracker in (peers | trackers).items()
    }
    steps = {name: follower.step for name, follower in followers.items()}
    times = measure(steps, arguments.rate_turns)
    print("\nframes per second end to end, images in memory (clock), and per second of CPU time")
    for name, item in times.items():
        beside = "".join(
            f"   {times[peer].clock / item.clock:5.2f} of {peer}" for peer in peers if peer != name
        )
        print(f"{name:20s}  {1 / item.clock:7.1f}  {1 / item.cpu:7.1f}{beside}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default=default_tracker())
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--threads", type=int, help="the tracker's own number without it")
    parser.add_argument("--only", nargs="*", help="torch, onnxruntime, openvino; all without it")
    parser.add_argument("--calibrate", help="sequences for int8, layout plain; else synthetic ones")
    parser.add_argument("--calibration-frames", type=int, default=30, help="of synthetic ones")
    parser.add_argument("--data", help="a folder of sequences, layout plain, for the AO")
    parser.add_argument("--sequences", nargs="*", help="names in --data; all without it")
    parser.add_argument("--limit", type=int, default=0, help="frames of each; 0 for all")
    parser.add_argument("--rate", action="store_true", help="frames per second beside others")
    parser.add_argument("--rate-turns", type=int, default=100)
    parser.add_argument("--teacher", help="a folder of backbone.onnx and head.onnx")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    config = read_config(arguments.tracker)
    if arguments.threads is None:
        arguments.threads = config.tracking.threads or torch.get_num_threads()
    cv2.setNumThreads(arguments.threads)
    tracking = replace(config.tracking, threads=arguments.threads)
    config = replace(config, tracking=tracking)
    untrained = is_untrained(config, arguments.tracker)
    network = load_network(arguments.tracker, config).eval()
    with tempfile.TemporaryDirectory() as folder:
        trackers = build_trackers(network, config, arguments, Path(folder))
        narrow = replace(config, tracking=replace(tracking, wide_search_size=0))
        fixed = {name: Tracker(tracker.engine, narrow) for name, tracker in trackers.items()}
        print_times(fixed, network, narrow, arguments.turns)
        if arguments.data:
            names = arguments.sequences
            print_overlaps(trackers, arguments.data, arguments.limit, names, untrained)
        if arguments.rate:
            print_rates(trackers, arguments)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
