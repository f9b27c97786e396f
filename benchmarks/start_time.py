"""How long `rgbt-track track` takes to its first boxes, with an empty and with a filled cache.

    python benchmarks/start_time.py [lrrtrack_small] [--precision fp32] [--turns 3]

A whole process over two frames of a synthetic sequence, its start, imports and files included:
torch, then the engine that `auto` takes, without a cache, with one that is empty, and with what
that run has kept. Turn by turn, medians by the clock and in CPU time of all threads.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rgbt_track.resources import default_tracker
from rgbt_track.synthetic.dataset import synthesize_sequences

CASES = {
    "torch": ("torch", "off"),
    "auto, no cache": ("auto", "off"),
    "auto, empty cache": ("auto", "empty"),
    "auto, filled cache": ("auto", "filled"),
}


def run(tracker: str, precision: str, engine: str, cache: str, scene: Path) -> tuple[float, float]:
    """Seconds of a process, by the clock and in CPU time."""
    box = (scene / "groundtruth.txt").read_text().splitlines()[0]
    command = [sys.executable, "-m", "rgbt_track", "track", "--tracker", tracker, "--box", box]
    command += ["--rgb", str(scene / "color"), "--tir", str(scene / "ir"), "--engine", engine]
    command += ["--precision", precision, "--out", str(scene / "boxes.txt")]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "RGBT_TRACK_CACHE": cache}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default=default_tracker())
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args(argv)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (scene,) = synthesize_sequences(folder / "scenes", count=1, frames=2)
        for turn in range(arguments.turns):
            kept = str(folder / f"cache{turn}")
            for case, (engine, cache) in CASES.items():
                place = "off" if cache == "off" else kept
                seconds = run(arguments.tracker, arguments.precision, engine, place, scene)
                times[case].append(seconds)
    print(f"{arguments.tracker}, seconds to the boxes of two frames, {arguments.turns} turns")
    print(f"{'':20s}   clock     CPU")
    for case, rows in times.items():
        clock, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{case:20s}  {clock:6.1f}  {cpu:6.1f}")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
