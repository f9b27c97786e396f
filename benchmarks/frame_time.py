"""Frame time of a two-modality tracker against two single-modality passes of the same network.

All are run end to end (crops, network, decision, box) on the same random frames, turn by turn in
one process, so that a busy machine slows all alike. The share of the fusion is read from a timer
around it in the same frames. Weights are random, which does not change the time; but since they
find no target, the second, wider search for a lost target is off.

    python benchmarks/frame_time.py [lrrtrack_r50] [--frames 10] [--threads 2]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import replace

import numpy as np
import torch

from rgbt_track.models.build import build_network
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.tracking.loading import read_config
from rgbt_track.tracking.tracker import Tracker

WIDTH, HEIGHT, BOX = 640, 480, [300.0, 200.0, 40.0, 80.0]


class FusionTimer:
    """Sums the time inside a module's forward."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.seconds, self._since = 0.0, 0.0
        module.register_forward_pre_hook(self._start)
        module.register_forward_hook(self._stop)

    def _start(self, *_: object) -> None:
        self._since = time.perf_counter()

    def _stop(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since


def single_tracker(config, network, prepared):
    """The single-modality tracker of the same network: its shared head, its own weights."""
    model = replace(config.model, branches=("rgb", "tir"))
    alone = build_network(model, seed=0)
    alone.load_state_dict(network.state_dict(), strict=False)
    return Tracker(
        prepare_for_inference(alone) if prepared else alone, replace(config, model=model)
    )


class InTurn:
    """Two single-modality passes, one after the other."""

    def __init__(self, tracker, rgb, tir):
        self.tracker = tracker
        self.states = [tracker.init(rgb, None, BOX), tracker.init(None, tir, BOX)]

    def update(self, rgb, tir):
        self.tracker.update(rgb, None, self.states[0])
        self.tracker.update(None, tir, self.states[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default="lrrtrack_r50")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--threads", type=int, help="the tracker's own number without it")
    arguments = parser.parse_args()
    config = read_config(arguments.tracker)
    if arguments.threads is None:
        arguments.threads = config.tracking.threads or torch.get_num_threads()
    tracking = replace(config.tracking, wide_search_size=0, threads=arguments.threads)
    config = replace(config, tracking=tracking)
    network = build_network(config.model, seed=0)
    rng = np.random.default_rng(0)
    rgb, tir = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    eager = InTurn(single_tracker(config, network, prepared=False), rgb, tir)
    folded = InTurn(single_tracker(config, network, prepared=True), rgb, tir)
    both = Tracker(prepare_for_inference(network), config)
    state = both.init(rgb, tir, BOX)
    timer = FusionTimer(both.engine.network.fusion)
    times = []
    for _ in range(arguments.frames + 2):
        timer.seconds, start = 0.0, time.perf_counter()
        both.update(rgb, tir, state)
        together = time.perf_counter()
        share = timer.seconds / (together - start)
        folded.update(rgb, tir)
        passes = time.perf_counter()
        eager.update(rgb, tir)
        times.append((together - start, passes - together, time.perf_counter() - passes, share))
    a, b, c, share = (statistics.median(column) for column in zip(*times[2:], strict=True))
    print(f"{config.name}, {arguments.threads} threads, median of {arguments.frames} frames")
    print(f"two modalities, three branches, one batch       {1000 * a:8.1f} ms")
    print(f"two single-modality passes, folded like it      {1000 * b:8.1f} ms   {b / a:.2f} of it")
    print(f"two single-modality passes, eager               {1000 * c:8.1f} ms   {c / a:.2f} of it")
    print(f"share of the fusion in a frame                  {share:8.1%}")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
