"""Times of several functions, turn by turn in one process: a busy machine slows all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Times(NamedTuple):
    """Medians over the turns, in seconds: on the clock, and of all threads on the CPU.

    Where other programs share the machine, the clock counts their turns too; the CPU's time does
    not, but counts waiting threads that spin.
    """

    clock: float
    cpu: float


def measure(
    functions: Mapping[str, Callable[[], object]], turns: int, warm_up: int = 2
) -> dict[str, Times]:
    """Run every function once a turn, in the same order; the first ``warm_up`` turns do not count.

    Raises ``ValueError`` for fewer than one turn.
    """
    if turns < 1:
        raise ValueError(f"{turns} turns measure nothing; the least is 1")
    taken: dict[str, list[Times]] = {name: [] for name in functions}
    for turn in range(warm_up + turns):
        for name, function in functions.items():
            clock, cpu = time.perf_counter(), time.process_time()
            function()
            times = Times(time.perf_counter() - clock, time.process_time() - cpu)
            if turn >= warm_up:
                taken[name].append(times)
    return {
        name: Times(*(statistics.median(column) for column in zip(*rows, strict=True)))
        for name, rows in taken.items()
    }


def print_ratios(times: Mapping[str, Times], reference: str) -> None:
    """A row each: milliseconds, and how many times as fast as the reference."""
    base, width = times[reference], max(map(len, times))
    print(f"{'':{width}s}     clock   ratio       CPU   ratio")
    for name, item in times.items():
        print(
            f"{name:{width}s}  {1000 * item.clock:8.1f}  {base.clock / item.clock:6.2f}"
            f"  {1000 * item.cpu:8.1f}  {base.cpu / item.cpu:6.2f}"
        )
