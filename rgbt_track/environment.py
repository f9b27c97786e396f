"""Environment variables that native libraries read when they are loaded, so before any is.

For programs and worker processes of our own alone: a library does not set its caller's environment.
"""

from __future__ import annotations

import os

_THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user has said otherwise.

    Threads that spin while they wait stand still together as soon as one of them is delayed: on a
    busy machine a frame then takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def limit_threads(count: int) -> None:
    """Give the numerical libraries that this process is about to load ``count`` threads each."""
    for variable in _THREAD_COUNTS:
        os.environ[variable] = str(count)
