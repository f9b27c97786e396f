"""Frames per second of fusing 640x480 video, against the plain eager network, in one run.

What is timed is what ``rgbt-track fuse`` does to a frame pair (gray, scaling, network, color),
without decoding and writing. The variants take turns on the same frames, so that a busy machine
slows all alike; ratios are those of medians. Weights do not change the time. ``--memory`` instead
fuses one 3840x2160 pair in a fresh process and prints the peak memory of that process.

    python benchmarks/fuse_video.py [--frames 5] [--threads 2] [--memory]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from rgbt_track.image_fusion.fuser import Fuser
from rgbt_track.models.image_networks import build_image_network

WIDTH, HEIGHT = 640, 480
NETWORKS = ("lrrnet", "lrcfuse", "lwc_densefuse")


class Eager(Fuser):
    """The network without optimization, on whole images."""

    def __init__(self, name: str) -> None:
        super().__init__(build_image_network(name, {}), tile=0)
        self.network = build_image_network(name, {}).eval()


def frame_pair(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (height, width, 3), np.uint8),
        rng.integers(0, 256, (height, width), np.uint8),
    )


def variants() -> dict[str, Callable[[], Fuser]]:
    """Name -> how to build it; the plain network first."""
    builders: dict[str, Callable[[], Fuser]] = {"lrrnet, plain eager": lambda: Eager("lrrnet")}
    for name in NETWORKS:
        builders[f"{name}, as `fuse` runs it"] = lambda name=name: Fuser(
            build_image_network(name, {})
        )
    return builders


def compare(frames: int, threads: int) -> None:
    torch.set_num_threads(threads)
    rgb, tir = frame_pair(WIDTH, HEIGHT)
    fusers = {name: build() for name, build in variants().items()}
    seconds: dict[str, list[float]] = {name: [] for name in fusers}
    for index in range(frames + 1):
        for name, fuser in fusers.items():
            start = time.perf_counter()
            fuser.fuse(rgb, tir)
            if index:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    plain = next(iter(medians.values()))
    print(f"{WIDTH}x{HEIGHT}, {threads} threads, median of {frames} frames")
    for name, median in medians.items():
        print(f"{name:30} {1 / median:7.2f} frames/s {plain / median:7.2f}x")


def memory(threads: int) -> None:
    torch.set_num_threads(threads)
    rgb, tir = frame_pair(3840, 2160)
    fuser = Fuser(build_image_network("lrrnet", {}))
    fuser.fuse(rgb[:64, :64], tir[:64, :64])
    before, start = peak_mib(), time.perf_counter()
    fuser.fuse(rgb, tir)
    seconds = time.perf_counter() - start
    print(
        f"3840x2160: {seconds:.1f} s; peak {peak_mib():.0f} MiB, {before:.0f} MiB before the frame"
    )


def peak_mib() -> float:
    """Peak resident memory of this process; Linux counts in KiB, macOS in bytes."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments.threads)
    else:
        compare(arguments.frames, arguments.threads)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
