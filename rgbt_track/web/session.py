"""One run of the web demo: frames in, a picture and curves per frame out, files at the end."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.box_files import write_boxes
from rgbt_track.io.drawing import draw_pair
from rgbt_track.io.files import atomic_path
from rgbt_track.io.frames import check_box, prepare_frames
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.modalities import BRANCHES
from rgbt_track.tracking.decision import branch_weights
from rgbt_track.tracking.loading import load_tracker
from rgbt_track.tracking.state import TrackState
from rgbt_track.tracking.tracker import Tracker
from rgbt_track.web.curves import curves_svg
from rgbt_track.web.inputs import Input, check_first_pair, without_other_modalities

MOST_FRAMES = 5000
_SECONDS_BETWEEN_PICTURES = 0.12


@dataclass(frozen=True)
class Progress:
    """What the page shows at a moment of a run.

    Args:
        image: both modalities with the box, (H, 2 W, 3) RGB uint8.
        curves: score and branch weights so far, as SVG.
        text: one line about the frame, or about the run at its end.
        files: boxes, scores and video, at the end.
    """

    image: NDArray[np.uint8]
    curves: str
    text: str
    files: tuple[Path, Path, Path] | None = None


@lru_cache(maxsize=2)
def cached_tracker(name: str) -> Tracker:
    """The tracker of this name, kept for the next run; raises as ``load_tracker`` does."""
    return load_tracker(name)


def run_tracker(
    tracker: Tracker, source: Input, box: list[float], modalities: str
) -> Iterator[Progress]:
    """Follow the target through all frames, at most ``MOST_FRAMES``.

    Args:
        tracker: a loaded tracker.
        source: the frames.
        box: x, y, w, h of the target in the first frame, in its pixels.
        modalities: one of ``inputs.MODALITY_CHOICES``.

    Raises:
        ValueError: no frames, none of the modalities, or a box that is not in the image.
    """
    # What cannot be tracked is refused before anything is written.
    pairs = without_other_modalities(source.pairs, modalities)
    first = next(pairs, None)
    if first is not None and first[0] is None and first[1] is None:
        raise ValueError(f"the input has no frames of the modalities chosen ({modalities})")
    first = check_first_pair(first)
    height, width = next(iter(prepare_frames(*first).values())).shape[:2]
    check_box(box, width, height)
    folder = Path(tempfile.mkdtemp(prefix="rgbt-track-"))
    record = _Record(tracker, source.length)
    began = shown = time.monotonic()
    video = VideoFile(folder / "video.mp4", source.fps)
    with ExitStack() as stack:
        stack.enter_context(video)
        for rgb, tir in chain([first], pairs):
            state = record.state
            state = (
                tracker.init(rgb, tir, box) if state is None else tracker.update(rgb, tir, state)
            )
            record.add(state)
            count = len(record.boxes)
            caption = f"{count}  score {state.score:.2f}"
            image = draw_pair(rgb, tir, state.box, caption, state.frame_size)
            video.add(image)
            if count == 1 or time.monotonic() - shown >= _SECONDS_BETWEEN_PICTURES:
                shown = time.monotonic()
                yield Progress(image, record.curves(), f"frame {count} of {source.length or '?'}")
            if count == MOST_FRAMES:
                break
    seconds = time.monotonic() - began
    text = f"{count} frames in {seconds:.1f} s ({count / seconds:.1f} frames/s, drawing included)"
    if count == MOST_FRAMES:
        text += f"; the rest is left out: the demo takes {MOST_FRAMES} frames at most"
    files = (*record.write(folder), video.path)
    yield Progress(image, record.curves(), text, files)


class _Record:
    """Boxes, scores and weights of a run so far."""

    def __init__(self, tracker: Tracker, length: int | None):
        self.state: TrackState | None = None
        self.boxes: list[NDArray[np.floating]] = []
        self.scores: list[float] = []
        self.branches = [name for name in BRANCHES if name in tracker.config.model.branches]
        self.weights: dict[str, list[float | None]] = {name: [] for name in self.branches}
        self._settings, self._length = tracker.settings, length or 0

    def add(self, state: TrackState) -> None:
        self.state = state
        self.boxes.append(state.box)
        self.scores.append(state.score)
        weights = self._weights(state)
        total = sum(weights.values())
        for name in self.branches:
            share = weights[name] / total if name in weights and total else None
            self.weights[name].append(share)

    def _weights(self, state: TrackState) -> dict[str, float]:
        """Of rules with constant weights, these are the confidence that they report."""
        if self._settings.decision not in ("adaptive", "agreement"):
            return state.confidence
        constants = self._settings.decision_constants
        return branch_weights(state.confidence, state.reliability, constants)

    def curves(self) -> str:
        """Two plots as SVG: the score, and each branch's share of the weights."""
        scores: list[float | None] = list(self.scores)
        parts = [curves_svg("Score", {"score": scores}, self._length)]
        if len(self.branches) > 1:
            parts.append(curves_svg("Weight of each branch", self.weights, self._length))
        return "".join(parts)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The boxes, x,y,w,h a row, and a CSV of all numbers."""
        boxes, table = folder / "boxes.txt", folder / "scores.csv"
        write_boxes(boxes, np.array(self.boxes))
        with atomic_path(table) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["frame", "x", "y", "w", "h", "score", *self.branches])
            for index, (box, score) in enumerate(zip(self.boxes, self.scores, strict=True)):
                shares = [self.weights[name][index] for name in self.branches]
                cells = ["" if share is None else f"{share:.4f}" for share in shares]
                writer.writerow(
                    [index + 1, *(f"{value:.2f}" for value in box), f"{score:.4f}", *cells]
                )
        return boxes, table
