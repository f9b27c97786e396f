"""Libraries that only some uses need, asked for at the door with the command to install them."""

from __future__ import annotations

import importlib.util


def require(extra: str, *modules: str) -> None:
    """``ModuleNotFoundError`` with the remedy when a module of an extra is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(
                f"this needs {module}, which is not installed: pip install 'rgbt-track[{extra}]'"
            )
