"""A search, new or resumed, and the fit of the score afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.evaluation.calibration import Reliability, fit_recalibration, reliability
from rgbt_track.evaluation.tuning.groups import fingerprint
from rgbt_track.evaluation.tuning.objective import Objective
from rgbt_track.evaluation.tuning.results import trial_attributes
from rgbt_track.evaluation.tuning.space import Space, Value, apply_settings, present_values, to_text
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.tracking.recalibration import recalibrate

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial


@dataclass(frozen=True)
class SearchResult:
    """The finished trials in order, the best of them, and that of the tracker's own settings."""

    trials: list[FrozenTrial]
    best: FrozenTrial
    default: FrozenTrial | None
    tracking: TrackingConfig


def search(
    objective: Objective,
    space: Space,
    tracker: Mapping[str, Any],
    *,
    storage: str,
    study: str,
    trials: int,
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> SearchResult:
    """Run trials until the study has as many finished ones.

    Args:
        objective: value to maximize.
        space: settings to search.
        tracker: fingerprint of the tracker, see ``describe_tracker``.
        storage, study: database of the trials, and name of the study.
        trials: finished trials to reach, those of earlier calls and other processes included.
        seed: of all proposals.
        on_progress: frames, of all trials to reach.

    Raises:
        ValueError: the study is of another tracker, other data or another space.
    """
    from rgbt_track.evaluation.tuning import study as studies

    tracking = objective.config.tracking
    identity = {
        "tracker": json.loads(json.dumps(tracker, default=str)),
        "data": fingerprint(objective.groups),
        "search": {name: to_text(item) for name, item in space.items()},
    }
    optuna_study = studies.open_study(
        storage, study, identity, present_values(tracking, space), seed
    )
    frames = objective.frames

    def evaluate(trial: Trial, values: dict[str, Value]) -> float:
        start, before = time.perf_counter(), len(studies.finished_trials(optuna_study)) * frames
        outcome = objective.evaluate(
            apply_settings(tracking, values),
            lambda done, total: on_progress(before + done, trials * frames),
        )
        for key, value in trial_attributes(outcome, time.perf_counter() - start).items():
            trial.set_user_attr(key, value)
        return outcome.value

    studies.run_trials(optuna_study, space, trials, evaluate)
    best = studies.best_trial(optuna_study)
    return SearchResult(
        studies.finished_trials(optuna_study),
        best,
        studies.default_trial(optuna_study),
        apply_settings(tracking, best.params),
    )


@dataclass(frozen=True)
class ScoreFit:
    """Recalibrated settings; reliability of the score before and after, on the same frames."""

    tracking: TrackingConfig
    before: Reliability
    after: Reliability


def fit_score(
    objective: Objective, tracking: TrackingConfig, on_progress: OnProgress = ignore_progress
) -> ScoreFit:
    """Fit ``score_scale`` and ``score_bias`` to all frames of the objective.

    A frame is correct where the box overlaps the target by more than a half. Raises ``ValueError``
    where all frames are correct, or all wrong.
    """
    raw = replace(tracking, score_scale=1.0, score_bias=0.0)
    scored = objective.evaluate(raw, on_progress).scored
    scores = np.concatenate([frames.scores for frames in scored])
    correct = np.concatenate([frames.correct for frames in scored])
    scale, bias = fit_recalibration(scores, correct)
    scale, bias = round(scale, 6), round(bias, 6)
    fitted = [recalibrate(float(score), scale, bias) for score in scores]
    return ScoreFit(
        replace(tracking, score_scale=scale, score_bias=bias),
        reliability(scores, correct),
        reliability(fitted, correct),
    )
