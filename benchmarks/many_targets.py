"""What a further target costs beside the first, in one frame pair.

    python benchmarks/many_targets.py [lrrtrack_small] [--targets 4] [--engine auto] [--turns 30]

One, two, ... targets are followed by ``update_many`` turn by turn on the same frames of random
pixels; the wider search for a lost target is off, as nothing is ever found there. The cost of a
further target is (t(N) - t(1)) / (N - 1), as a share of t(1); that of a target of its own is 1.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np
from interleaved import measure

from rgbt_track import load_tracker
from rgbt_track.resources import default_tracker
from rgbt_track.tracking.tracker import Tracker

WIDTH, HEIGHT = 640, 480


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracker", nargs="?", default=default_tracker())
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=30)
    arguments = parser.parse_args(argv)
    if arguments.targets < 2:
        raise ValueError(f"--targets {arguments.targets}: a further target needs at least 2")
    loaded = load_tracker(
        arguments.tracker,
        arguments.device,
        engine=arguments.engine,
        precision=arguments.precision,
    )
    config = replace(loaded.config, tracking=replace(loaded.settings, wide_search_size=0))
    tracker = Tracker(loaded.engine, config)
    rng = np.random.default_rng(0)
    rgb, tir = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    places = rng.uniform((60, 60), (WIDTH - 120, HEIGHT - 120), (arguments.targets, 2))
    states = [tracker.init(rgb, tir, [*place, 40, 60]) for place in places]
    functions = {
        str(count): lambda count=count: tracker.update_many(rgb, tir, states[:count])
        for count in range(1, arguments.targets + 1)
    }
    times = measure(functions, arguments.turns)
    print(f"{config.name}, {type(tracker.engine).__name__}, medians of {arguments.turns} turns")
    print("targets     clock       CPU    a further one costs, of the first (clock, CPU)")
    first = times["1"]
    for count, item in ((int(name), item) for name, item in times.items()):
        shares = [
            (now - before) / (count - 1) / before if count > 1 else 1.0
            for now, before in zip(item, first, strict=True)
        ]
        print(
            f"{count:7d}  {1000 * item.clock:5.1f} ms  {1000 * item.cpu:5.1f} ms"
            f"    {shares[0]:.2f}  {shares[1]:.2f}"
        )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
