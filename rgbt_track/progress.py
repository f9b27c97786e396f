"""How work that takes long says how far it has come."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called as ``on_progress(done, total)``, again and again; at the end with ``done == total``."""


def ignore_progress(done: int, total: int) -> None:
    """The default: nobody is told."""
