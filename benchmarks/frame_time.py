"""Frame time of a two-modality tracker against two single-modality passes of the same network.

Both are run end to end (crops, network, decision, box) on the same random frames, turn by turn in
one process, so that a busy machine slows both alike. The share of the fusion is read from a timer
around it in the same frames. Weights are random: they do not change the time.

    python benchmarks/frame_time.py [lrrtrack_r50] [--frames 10] [--threads 2]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from rgbt_track.build import build_network
from rgbt_track.loading import read_config
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.tracker import Tracker

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


def single_tracker(config, network):
    """The single-modality tracker of the same network: its shared head, its own weights."""
    model = replace(config.model, branches=("rgb", "tir"))
    alone = build_network(model, seed=0)
    alone.load_state_dict(network.state_dict(), strict=False)
    return Tracker(prepare_for_inference(alone), replace(config, model=model))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default="lrrtrack_r50")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    config = read_config(arguments.tracker)
    network = build_network(config.model, seed=0)
    single = single_tracker(config, network)
    both = Tracker(prepare_for_inference(network), config)
    rng = np.random.default_rng(0)
    rgb, tir = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    state, one, other = (
        both.init(rgb, tir, BOX),
        single.init(rgb, None, BOX),
        single.init(None, tir, BOX),
    )
    timer = FusionTimer(both.network.fusion)
    together, in_turn, shares = [], [], []
    for index in range(arguments.frames + 2):
        timer.seconds, start = 0.0, time.perf_counter()
        both.update(rgb, tir, state)
        middle = time.perf_counter()
        single.update(rgb, None, one)
        single.update(None, tir, other)
        end = time.perf_counter()
        if index >= 2:
            together.append(middle - start)
            in_turn.append(end - middle)
            shares.append(timer.seconds / (middle - start))
    a, b = statistics.median(together), statistics.median(in_turn)
    print(f"{config.name}, {arguments.threads} threads, median of {arguments.frames} frames")
    print(f"two modalities, three branches, one batch  {1000 * a:8.1f} ms")
    print(f"two single-modality passes                 {1000 * b:8.1f} ms")
    print(f"ratio (passes / together)                  {b / a:8.2f}")
    print(f"share of the fusion in a frame             {statistics.median(shares):8.1%}")


if __name__ == "__main__":
    main()
