"""Where a frame's time goes: the network, and what the tracker does around it.

    python benchmarks/frame_parts.py [lrrtrack_lite] [--engine openvino] [--precision bf16]
        [--turns 300]

A target is followed through a synthetic 640x480 sequence, images in memory. Each part is timed
within the same frames by the clock; a part's own time leaves out the parts that it calls.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from engines import Following

from rgbt_track import load_tracker
from rgbt_track.synthetic.scene import scene_frames
from rgbt_track.tracking import tracker as loop
from rgbt_track.tracking.tracker import Tracker

_WARM_UP = 20  # frames


class Parts:
    """Times of functions that are wrapped, less those of wrapped functions that they call."""

    def __init__(self) -> None:
        self.frame: dict[str, float] = {}
        self._inner = [0.0]

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                seconds = time.perf_counter() - start
                own = seconds - self._inner.pop()
                self._inner[-1] += seconds
                self.frame[name] = self.frame.get(name, 0.0) + own

        return timed


def follow(tracker: Tracker, turns: int) -> dict[str, list[float]]:
    """Seconds of every part in each frame."""
    scene = list(scene_frames(3, 30, (640, 480), "day"))
    follower = Following(tracker, [(frame.rgb, frame.tir) for frame in scene], scene[0].box)
    parts = Parts()
    for holder, attribute, name in (
        (loop, "prepare_frames", "frames' format"),
        (loop, "_without_blank", "blank checks"),
        (tracker, "_crops", "crops"),
        (getattr(tracker.engine, "runner", None), "run", "network"),
        (tracker.engine, "search", "network's inputs and outputs"),
        (tracker, "_decide", "decision"),
        (loop, "select_anchors", "selection of a box"),
        (follower, "step", "the rest"),
    ):
        if holder is not None:
            setattr(holder, attribute, parts.wrap(name, getattr(holder, attribute)))
    rows: dict[str, list[float]] = {}
    for turn in range(_WARM_UP + turns):
        parts.frame = {}
        follower.step()
        if turn >= _WARM_UP:
            for name, seconds in parts.frame.items():
                rows.setdefault(name, []).append(seconds)
            rows.setdefault("a frame", []).append(sum(parts.frame.values()))
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default="lrrtrack_lite")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--turns", type=int, default=300)
    arguments = parser.parse_args(argv)
    tracker = load_tracker(
        arguments.tracker, engine=arguments.engine, precision=arguments.precision
    )
    rows = follow(tracker, arguments.turns)
    print(f"{tracker.config.name}, medians of {arguments.turns} frames, ms")
    for name, seconds in sorted(rows.items(), key=lambda row: statistics.median(row[1])):
        print(f"{name:30s}  {1000 * statistics.median(seconds):7.3f}")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
