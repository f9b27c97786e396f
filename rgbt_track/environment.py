"""What holds for a whole process: environment variables of native libraries, and its warnings.

For programs and worker processes of our own alone: a library does not set its caller's environment.
The variables are read when the libraries are loaded, so they are set before any is.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

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


def print_plain_warnings() -> None:
    """Print warnings as one line each: where in our code they arise means nothing to the user."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

    warnings.showwarning = show
