"""How many threads a tracker's engine should have: a frame with 1, 2, ... of them, turn by turn.

    python benchmarks/thread_counts.py [lrrtrack_small] [--engine auto] [--precision fp32]
        [--counts 1 2] [--turns 100]

`tracking.threads` of the shipped trackers is what this showed. A second thread is worth having
where the clock gains more than the CPU time grows: on a busy machine, or with one process per core,
only CPU time counts. Random frames; the wider search for a lost target is off.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace

import numpy as np
from frame_time import BOX, HEIGHT, WIDTH
from interleaved import measure, print_ratios

from rgbt_track.models.engines.create import create_engine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.resources import default_tracker
from rgbt_track.tracking.loading import load_network, read_config
from rgbt_track.tracking.tracker import Tracker


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default=default_tracker())
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--turns", type=int, default=100)
    arguments = parser.parse_args(argv)
    config = read_config(arguments.tracker)
    network = prepare_for_inference(load_network(arguments.tracker, config))
    rng = np.random.default_rng(0)
    rgb, tir = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    functions = {}
    for count in arguments.counts:
        tracking = replace(config.tracking, threads=count, wide_search_size=0)
        one = replace(config, tracking=tracking)
        engine = create_engine(network, one, "cpu", arguments.engine, arguments.precision)
        tracker = Tracker(engine, one)
        state = tracker.init(rgb, tir, BOX)
        functions[f"{count} threads"] = lambda tracker=tracker, state=state: tracker.update(
            rgb, tir, state
        )
    print(f"{config.name}, ms, medians of {arguments.turns} turns; its own: ", end="")
    print(config.tracking.threads or "as many as torch is set to")
    print_ratios(measure(functions, arguments.turns), next(iter(functions)))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
