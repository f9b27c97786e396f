"""Whose state a state is: trackers of other settings or weights cannot go on with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.models.engines.interface import Engine, IdentifiedEngine
from rgbt_track.tracking.state import TrackState


def tracker_identity(config: Config, engine: Engine) -> str:
    """The tracker's name and a digest of settings, weights and kind of engine.

    Of an engine that does not say which weights it has, its class counts.
    """
    tracking = replace(config.tracking, threads=0)  # which change rounding alone
    settings = to_mapping(replace(config, tracking=tracking))
    kind = type(engine).__qualname__
    if isinstance(engine, IdentifiedEngine):
        kind = engine.identity
    parts = json.dumps([settings["model"], settings["tracking"], kind])
    return f"{config.name} {hashlib.blake2b(parts.encode(), digest_size=8).hexdigest()}"


def check_owner(state: TrackState, identity: str) -> None:
    """``ValueError`` unless a state is of the tracker with this identity."""
    if not isinstance(state, TrackState):
        raise ValueError(
            f"the state is of type {type(state).__name__}; expected what init or update gave"
        )
    if state.tracker != identity:
        raise ValueError(
            f"the state is of another tracker, {state.tracker}, and this one is {identity}: their "
            "settings, weights or kinds of engine differ; begin with this one's init"
        )
