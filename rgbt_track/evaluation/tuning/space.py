"""Search spaces: settings of the tracking loop by name, each with its range or its choices.

A setting of a section is written with a dot, ``decision_constants.memory``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import Config, DecisionConfig, TrackingConfig
from rgbt_track.config.yaml_files import parse_yaml
from rgbt_track.resources import check_choice
from rgbt_track.tracking.decision import DECISIONS, memory_of

Value = float | int | bool | str


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included; ``whole`` for a setting that counts."""

    low: float
    high: float
    whole: bool = False

    def including(self, value: Any) -> Range:
        """The range, widened so that it holds ``value``, a setting's present number."""
        low, high = min(self.low, value), max(self.high, value)
        return Range(low, high, whole=isinstance(value, int))


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]

    def including(self, value: Any) -> Choice:
        """The choice, with ``value`` in front if it is not among them."""
        return self if value in self.values else Choice((value, *self.values))


Space = dict[str, Range | Choice]

SEARCHED: Space = {
    "penalty_k": Range(0.0, 0.5),
    "window_influence": Range(0.0, 0.8),
    "size_lr": Range(0.0, 1.0),
    "voting_overlap": Choice((0.0, 0.5, 0.6, 0.7, 0.8)),
    "decision": Choice(tuple(DECISIONS)),
    "decision_constants.memory": Range(0.0, 0.98),
    "decision_constants.confidence_power": Range(0.5, 6.0),
    "decision_constants.agreement": Range(0.1, 0.9),
    "decision_constants.second_peak_weight": Range(0.0, 1.0),
    "wide_search_below": Range(0.0, 0.9),
    "wide_search_score": Range(0.0, 1.0),
    "template_update_every": Choice((0, 5, 10, 15, 30)),
    "template_update_rate": Range(0.02, 0.5),
    "template_update_score": Range(0.3, 0.95),
}
"""Settings searched by default, with their usual ranges."""


def default_space(config: Config) -> Space:
    """``SEARCHED`` less what has no effect in this tracker, widened to its present values."""
    space = dict(SEARCHED)
    if len(config.model.branches) == 1:
        space = {name: item for name, item in space.items() if not name.startswith("decision")}
    if not config.tracking.wide_search_size:
        space = {name: item for name, item in space.items() if not name.startswith("wide_search")}
    return _include_present(space, config.tracking)


def parse_space(texts: Iterable[str], config: Config) -> Space:
    """The settings that the user names: ``NAME``, ``NAME=LOW:HIGH`` or ``NAME=VALUE,VALUE``.

    Any setting of the tracking loop may be named; one without a usual range needs its own. Raises
    ``ValueError`` for an unknown setting, a missing range, and values that the setting cannot have.
    """
    space: Space = {}
    for text in texts:
        name, _, range_text = text.partition("=")
        check_choice("setting", name, setting_names())
        if not range_text and name not in SEARCHED:
            raise ValueError(f"{name}: no usual range; give one, {name}=LOW:HIGH or {name}=A,B,C")
        space[name] = _parse_item(text, range_text) if range_text else SEARCHED[name]
    space = _include_present(space, config.tracking)
    for name, item in space.items():
        for value in (item.low, item.high) if isinstance(item, Range) else item.values:
            apply_settings(config.tracking, {name: value})
    return space


def to_text(item: Range | Choice) -> str:
    """The text form of an item: ``0:0.5`` or ``fixed,adaptive``."""
    if isinstance(item, Range):
        return f"{item.low:g}:{item.high:g}"
    return ",".join(map(str, item.values))


def _parse_item(text: str, range_text: str) -> Range | Choice:
    low, colon, high = range_text.partition(":")
    try:
        values = [parse_yaml(part) for part in ((low, high) if colon else range_text.split(","))]
    except ValueError:
        raise ValueError(f"{text!r}: not values; expected NAME=LOW:HIGH or NAME=A,B,C") from None
    if not colon:
        return Choice(tuple(values))
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(numbers) < 2 or not -math.inf < numbers[0] < numbers[1] < math.inf:
        raise ValueError(f"{text!r}: expected two numbers LOW:HIGH, the first one less")
    return Range(numbers[0], numbers[1])


def setting_names() -> list[str]:
    """Every setting of the tracking loop that a search can change."""
    inner = [f"decision_constants.{field.name}" for field in dataclasses.fields(DecisionConfig)]
    outer = [field.name for field in dataclasses.fields(TrackingConfig)]
    return [name for name in outer if name != "decision_constants"] + inner


def present_values(tracking: TrackingConfig, names: Iterable[str]) -> dict[str, Value]:
    """The present value of each setting; the decision rule's own memory where none is set."""
    values = {}
    for name in names:
        value: Any = tracking
        for part in name.split("."):
            value = getattr(value, part)
        if name == "decision_constants.memory":
            value = memory_of(tracking.decision, tracking.decision_constants)
        values[name] = value
    return values


def apply_settings(tracking: TrackingConfig, values: Mapping[str, Value]) -> TrackingConfig:
    """The settings with some replaced; ``ValueError`` for a value that a setting cannot have."""
    mapping = to_mapping(tracking)
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        (mapping[section] if section else mapping)[key] = value
    return from_mapping(TrackingConfig, mapping, "tracking")


def _include_present(space: Space, tracking: TrackingConfig) -> Space:
    present = present_values(tracking, space)
    return {name: item.including(present[name]) for name, item in space.items()}
