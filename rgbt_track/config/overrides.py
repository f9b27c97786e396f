"""Settings of an experiment changed on the command line, such as ``training.batch=8``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rgbt_track.config.yaml_files import parse_yaml, read_yaml


def read_values(path: Path, settings: Iterable[str] = ()) -> dict[str, Any]:
    """The mapping in an experiment's file, named after it, with the settings applied."""
    values: dict[str, Any] = {"name": path.stem, **read_yaml(path)}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise ValueError(f"{setting!r} is no setting; expected key.key=value")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ValueError(
                f"{setting!r}: not a YAML value: {' '.join(str(error).split())}"
            ) from None
        _set(values, key.split("."), value, setting)
    return values


def _set(values: dict[str, Any], keys: list[str], value: Any, setting: str) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{setting!r}: {key} is not a section with settings of its own")
        values = inner
    values[keys[-1]] = value


def setting_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """What differs between two nested mappings: dotted key, old value, new value."""
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from setting_changes(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}", old, new
