"""OpenVINO and NNCF, imported so that they send nothing to their makers.

Both report their use by a process that they fork when they are imported: behind a network that
drops packets, or in a program with other threads, that process may never end, and whatever reads
this program's output waits for it. Without the package ``openvino_telemetry`` they send nothing;
here they do not find it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TELEMETRY = "openvino_telemetry"


def import_openvino() -> Any:
    """The module ``openvino``. Raises ``ModuleNotFoundError`` where it is not installed."""
    return _import("openvino")


def import_nncf() -> Any:
    """The module ``nncf``. Raises ``ModuleNotFoundError`` where it is not installed."""
    return _import("nncf")


def _import(name: str) -> Any:
    with _without_telemetry():
        return importlib.import_module(name)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """``import openvino_telemetry`` fails within the block, if nobody has imported it before."""
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
