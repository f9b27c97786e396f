"""Our tracker compared with those of OpenCV, on the same frames in one process.

Each OpenCV tracker runs on the visible, the thermal and the mean image; ours on both modalities
and on each alone. Printed are, per sequence and on average over sequences: AO (mean overlap of all
frames but the first), SR@0.5 (share of them with an overlap above 0.5), PR@20 (share with the
center within 20 pixels) and frames per second without reading the frames.

    python benchmarks/compare_trackers.py plain --root DIR [--sequences NAME ...] [--picture PNG]

CSRT and KCF come with opencv-contrib-python. NanoTrack and ViTTrack run where their ONNX files are
given: --nano-backbone FILE --nano-head FILE, --vit FILE.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from rgbt_track import load_tracker
from rgbt_track.boxes import iou_xywh
from rgbt_track.data import Sequence, open_dataset
from rgbt_track.evaluation.metrics import average_overlap, center_distances
from rgbt_track.io.drawing import draw_pair
from rgbt_track.io.frames import prepare_frames
from rgbt_track.io.images import write_image
from rgbt_track.resources import default_tracker

Frames = list[dict[str, np.ndarray]]
Step = Callable[[dict[str, np.ndarray]], np.ndarray]
Begin = Callable[[dict[str, np.ndarray], np.ndarray], Step]


@dataclass(frozen=True)
class Score:
    """One tracker on one sequence."""

    ao: float
    success: float
    precision: float
    rate: float


def ours(name: str, weights: str | None, modalities: tuple[str, ...]) -> Begin:
    tracker = load_tracker(name, weights=weights)

    def begin(frames: dict[str, np.ndarray], box: np.ndarray) -> Step:
        inputs = {key: frames[key] for key in modalities}
        state = tracker.init(inputs.get("rgb"), inputs.get("tir"), box)

        def step(frames: dict[str, np.ndarray]) -> np.ndarray:
            nonlocal state
            inputs = {key: frames[key] for key in modalities}
            state = tracker.update(inputs.get("rgb"), inputs.get("tir"), state)
            return state.box

        return step

    return begin


def opencv(make: Callable[[], cv2.Tracker], view: str) -> Begin:
    def begin(frames: dict[str, np.ndarray], box: np.ndarray) -> Step:
        tracker, last = make(), box
        tracker.init(view_image(frames, view), [round(value) for value in box])

        def step(frames: dict[str, np.ndarray]) -> np.ndarray:
            nonlocal last
            is_found, box = tracker.update(view_image(frames, view))
            last = np.array(box, float) if is_found else last
            return last

        return step

    return begin


def view_image(frames: dict[str, np.ndarray], view: str) -> np.ndarray:
    """The input of an OpenCV tracker, BGR: one modality or the mean of both."""
    if view == "mean":
        return cv2.cvtColor(
            cv2.addWeighted(frames["rgb"], 0.5, frames["tir"], 0.5, 0), cv2.COLOR_RGB2BGR
        )
    return cv2.cvtColor(frames[view], cv2.COLOR_RGB2BGR)


def opencv_trackers(
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, Callable[[], cv2.Tracker]]]:
    for name in ("CSRT", "KCF", "MIL"):
        if hasattr(cv2, f"Tracker{name}"):
            yield name, getattr(cv2, f"Tracker{name}").create
        else:
            print(f"{name} is not in this OpenCV: pip install opencv-contrib-python")
    if arguments.nano_backbone and arguments.nano_head:
        nano = cv2.TrackerNano_Params()
        nano.backbone, nano.neckhead = arguments.nano_backbone, arguments.nano_head
        yield "NanoTrack", lambda: cv2.TrackerNano.create(nano)
    if arguments.vit:
        vit = cv2.TrackerVit_Params()
        vit.net = arguments.vit
        yield "ViTTrack", lambda: cv2.TrackerVit.create(vit)


def run(begin: Begin, frames: Frames, truth: np.ndarray) -> tuple[Score, np.ndarray]:
    boxes = [truth[0]]
    start = time.perf_counter()
    step = begin(frames[0], truth[0])
    boxes += [step(pair) for pair in frames[1:]]
    seconds = time.perf_counter() - start
    result = np.array(boxes)
    score = Score(
        average_overlap(result[1:], truth[1:]),
        float((iou_xywh(result[1:], truth[1:]) > 0.5).mean()),
        float((center_distances(result[1:], truth[1:]) <= 20).mean()),
        len(frames) / seconds,
    )
    return score, result


def read(sequence: Sequence) -> Frames:
    return [prepare_frames(*sequence.frame(index)) for index in range(len(sequence))]


def print_table(title: str, scores: dict[str, Score]) -> None:
    print(f"\n{title}\n{'tracker':28s}     AO  SR@0.5  PR@20     fps")
    for name, score in scores.items():
        print(
            f"{name:28s} {score.ao:6.3f}  {score.success:6.3f} {score.precision:6.3f}"
            f" {score.rate:7.1f}"
        )


def mean(scores: list[Score]) -> Score:
    return Score(*np.mean([[s.ao, s.success, s.precision, s.rate] for s in scores], axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="a described data set, for instance plain")
    parser.add_argument("--root", required=True)
    parser.add_argument("--sequences", nargs="*", help="their names; all without it")
    parser.add_argument("--tracker", default=default_tracker())
    parser.add_argument("--weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--picture", help="a PNG: the middle frame of each sequence, our boxes")
    parser.add_argument("--nano-backbone")
    parser.add_argument("--nano-head")
    parser.add_argument("--vit")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)

    own = arguments.tracker
    trackers = {
        f"{own} both": ours(own, arguments.weights, ("rgb", "tir")),
        f"{own} rgb": ours(own, arguments.weights, ("rgb",)),
        f"{own} tir": ours(own, arguments.weights, ("tir",)),
    }
    if not arguments.only_ours:
        for name, make in opencv_trackers(arguments):
            for view in ("rgb", "tir", "mean"):
                trackers[f"{name} {view}"] = opencv(make, view)

    all_scores: dict[str, list[Score]] = {name: [] for name in trackers}
    images = []
    for sequence in open_dataset(arguments.dataset, arguments.root, sequences=arguments.sequences):
        frames, scores = read(sequence), {}
        for name, begin in trackers.items():
            scores[name], boxes = run(begin, frames, sequence.boxes)
            all_scores[name].append(scores[name])
            if name == f"{own} both":
                middle = len(frames) // 2
                image = draw_pair(
                    frames[middle]["rgb"], frames[middle]["tir"], boxes[middle], sequence.name
                )
                images.append(cv2.resize(image, (960, 360)))
        print_table(f"{sequence.name} ({len(frames)} frames)", scores)
    means = {name: mean(scores) for name, scores in all_scores.items()}
    print_table(f"mean over {len(images)} sequences", means)
    print_rates(means, f"{own} both")
    if arguments.picture:
        write_image(arguments.picture, np.vstack(images))


def print_rates(means: dict[str, Score], own: str) -> None:
    for name, score in means.items():
        if name.endswith(" mean"):
            print(f"rate of {own} over {name}: {means[own].rate / score.rate:.2f}")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
