"""Threads of torch: changed for a block and given back, whatever the program has set.

On small inputs many threads wait for each other for longer than they work, the more so on a busy
machine. Their number holds for the whole process, which is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Run a block with ``count`` threads of torch on the CPU; ``None`` or 0: as many as are set."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
