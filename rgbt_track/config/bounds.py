"""Ranges of settings, checked first: a size asks for memory, a count for time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SHARE = (0.0, 1.0)
MAX_CHANNELS = 2048
MAX_SIDE = 4096  # pixels of a crop
MAX_THREADS = 1024
MAX_WORKERS = 1024
MAX_COUNT = 10**9
_MAX_ARGUMENT = 4096


def check_bounds(config: Any, **bounds: tuple[float, float]) -> None:
    """``ValueError`` for an attribute, or a value in it, outside of its range, bounds included.

    An attribute that is ``None`` passes. NaN is outside of every range.
    """
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        values = value if isinstance(value, tuple) else (value,)
        for number in values:
            if number is not None and not low <= number <= high:
                raise ValueError(f"{name} is {value}; expected {low:g} to {high:g}")


def check_shares(config: Any, names: Iterable[str]) -> None:
    """``ValueError`` for an attribute outside of 0..1."""
    check_bounds(config, **dict.fromkeys(names, SHARE))


def check_arguments(what: str, arguments: Mapping[str, Any]) -> None:
    """``ValueError`` for a whole number in a constructor's arguments that no network has."""
    for key, value in arguments.items():
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(number, int) and abs(number) > _MAX_ARGUMENT:
                raise ValueError(f"{what}: {key} is {value}; expected at most {_MAX_ARGUMENT}")
