"""Settings as frozen dataclasses, read from mappings.

An unknown key is an error that names the nearest valid one, so that no misspelt setting is
ignored.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from rgbt_track.resources import check_choice

T = TypeVar("T")

_MAX_INTEGER = 2**63 - 1

# class: {old key: key}. Weights files, stores and run folders keep the keys of the version that
# wrote them.
RENAMED_KEYS: dict[str, dict[str, str]] = {
    "AugmentConfig": {"colour": "color", "veiled": "obscured"},
    "TrackingConfig": {"test_branches": "calibrate_branches"},
}


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build a (nested) frozen dataclass from a mapping, rejecting unknown keys and wrong types.

    A key of ``RENAMED_KEYS`` is read under its new name. ``where`` begins every error, so that the
    user knows which file and section to open.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: expected 'key: value' lines, got {values!r}")
    values = _with_new_keys(values, RENAMED_KEYS.get(cls.__name__, {}), where)
    hints = typing.get_type_hints(cls)
    for key in values:
        check_choice(f"{where}: unknown key", key, hints)
    arguments = {
        key: _convert(hints[key], value, f"{where}: {key}") for key, value in values.items()
    }
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def to_mapping(config: Any) -> dict[str, Any]:
    """The inverse of ``from_mapping``: plain dicts and lists that YAML and JSON can hold."""
    return _plain(dataclasses.asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _with_new_keys(
    values: Mapping[str, Any], renamed: Mapping[str, str], where: str
) -> Mapping[str, Any]:
    for old, new in renamed.items():
        if old in values and new in values:
            raise ValueError(f"{where}: {old!r} is the old name of {new!r}; give one of them")
    return {renamed.get(key, key): value for key, value in values.items()}


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, where)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{where} is {value!r}; valid: {', '.join(map(str, arguments))}")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        kinds = [kind for kind in arguments if kind is not type(None)]
        tuple_kinds = [kind for kind in kinds if typing.get_origin(kind) is tuple]
        candidates = tuple_kinds if tuple_kinds and isinstance(value, (list, tuple)) else kinds
        return _convert(candidates[0], value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where} is {value!r}; expected a list")
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise ValueError(f"{where} is {value!r}; expected {len(arguments)} values")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} is {value!r}; expected 'key: value' lines")
        return dict(value)
    return _scalar(hint, value, where)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise ValueError(f"{where} is a number of {len(str(value))} digits; that is too large")
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; expected a finite number")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{where} is {value!r}; expected {kind.__name__}")
