"""Threads of torch: changed for a block and given back, whatever the program has set.

On small inputs many threads wait for each other for longer than they work, the more so on a busy
machine. Their number holds for the whole process, which is the caller's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def default_threads() -> int:
    """As many as torch is set to; where the program has not loaded it, as many as it would take."""
    if torch := sys.modules.get("torch"):
        return int(torch.get_num_threads())
    value = os.environ.get("OMP_NUM_THREADS", "")
    if value.isdecimal() and int(value):
        return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Run a block with ``count`` threads of torch on the CPU; ``None`` or 0: as many as are set."""
    import torch  # not with the module: other engines run without it

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
