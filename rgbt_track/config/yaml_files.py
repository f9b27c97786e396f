"""YAML and JSON of anybody: one line for every fault, and nothing dropped or expanded in silence.

YAML lets a key be given twice, of which parsers keep the last, and lets a short file expand to one
without end, by aliases of aliases.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

_MAX_BYTES = 1 << 24
_MAX_DEPTH = 40
_MAX_VALUES = 100_000


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; ``ValueError`` in one line if it holds anything else."""
    if path.is_file() and path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; no settings are as long as that")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not a YAML file: {reason}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected 'key: value' lines, got {type(values).__name__}")
    return values


def parse_yaml(text: str) -> Any:
    """The value of a YAML text, out of its safe subset.

    Raises ``ValueError`` for a text that is no YAML, a key twice in a mapping (with both lines),
    more than 40 levels of nesting, or more than 100,000 values, aliases expanded.
    """
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (OverflowError, TypeError) as error:  # a date of the year 0, a list as a key
        raise ValueError(f"a value that YAML cannot hold: {error}") from None
    _check_extent(value)
    return value


def parse_json(text: str | bytes, where: str | Path) -> Any:
    """The value of a JSON text; ``ValueError``, beginning with ``where``, for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON: {error}") from None


class _Loader(yaml.SafeLoader):
    """The safe loader, with a limit of depth, and without repeated keys."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(
                problem=f"more than {_MAX_DEPTH} levels of nesting", problem_mark=mark
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in lines:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key_node.value!r} is given twice, in line "
                    f"{lines[key_node.value]} and in line {line}; keep one"
                )
            lines[key_node.value] = line
        return super().construct_mapping(node, deep)


def _check_extent(value: Any) -> None:
    """``ValueError`` for more values than any settings have; without recursion."""
    rest, count = [value], 0
    while rest:
        item = rest.pop()
        count += 1
        if count > _MAX_VALUES:
            raise ValueError(f"more than {_MAX_VALUES:,} values, aliases expanded")
        if isinstance(item, Mapping):
            rest.extend(item.values())
        elif isinstance(item, (list, tuple, set)):
            rest.extend(item)
