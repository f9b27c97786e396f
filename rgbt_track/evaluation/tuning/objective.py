"""Objective of a search: AO, the mean overlap, over groups of sequences of equal weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.evaluation.calibration import ScoredFrames, scored_frames
from rgbt_track.evaluation.metrics import average_overlap
from rgbt_track.evaluation.runner import run_sequence
from rgbt_track.evaluation.tuning.groups import Group
from rgbt_track.models.engines.memo_engine import MemoEngine
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.tracking.tracker import Tracker


@dataclass(frozen=True)
class Outcome:
    """Result of one choice of settings.

    ``sequences`` maps a group and a run in it to its AO without the first frame; ``scored`` are
    the frames of all runs with their scores; ``cached`` is the share of the network's responses
    that were in memory.
    """

    sequences: dict[str, dict[str, float]]
    scored: list[ScoredFrames]
    cached: float

    @property
    def groups(self) -> dict[str, float]:
        """Group -> mean AO of its runs."""
        return {name: float(np.mean(list(runs.values()))) for name, runs in self.sequences.items()}

    @property
    def value(self) -> float:
        """The mean over groups."""
        return float(np.mean(list(self.groups.values())))


class Objective:
    """Runs a tracker with other settings over the same sequences again and again.

    Args:
        tracker: its network is run; its settings are replaced.
        groups: the sequences.
        memory: bytes for the network's responses, see ``MemoEngine``.
    """

    def __init__(self, tracker: Tracker, groups: Sequence[Group], memory: int) -> None:
        self.config = tracker.config
        self.groups = tuple(groups)
        self.engine = MemoEngine(tracker.engine, memory)

    @property
    def frames(self) -> int:
        """Frames of one evaluation."""
        return sum(len(view) for group in self.groups for view in group.views)

    def evaluate(
        self, tracking: TrackingConfig, on_progress: OnProgress = ignore_progress
    ) -> Outcome:
        """Run every sequence with these settings; ``on_progress`` counts frames.

        Raises ``ValueError`` for settings that do not fit the network, and for bad files.
        """
        tracker = Tracker(self.engine, replace(self.config, tracking=tracking))
        calls, hits = self.engine.calls, self.engine.hits
        sequences: dict[str, dict[str, float]] = {group.name: {} for group in self.groups}
        scored, before = [], 0
        for group in self.groups:
            for view in group.views:
                run = run_sequence(tracker, view, self._progress_after(before, on_progress))
                before += len(view)
                sequences[group.name][view.name] = average_overlap(run.boxes[1:], view.boxes[1:])
                if run.scores is not None:
                    scored.append(scored_frames(run.scores, run.boxes, view.annotation))
        calls, hits = self.engine.calls - calls, self.engine.hits - hits
        return Outcome(sequences, scored, hits / calls if calls else 0.0)

    def _progress_after(self, before: int, on_progress: OnProgress) -> OnProgress:
        """Progress of one run as progress of all of them."""
        return lambda done, total: on_progress(before + done, self.frames)
