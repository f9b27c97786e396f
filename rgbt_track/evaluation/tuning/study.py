"""The search itself: trials in an ``optuna`` storage that interrupted runs and machines share.

Every trial draws from the seed and its index in the study, never from a running generator, so
that a run that was interrupted and called again continues as an uninterrupted one would. Several
processes on one storage take different trials; what they propose then depends on who is first.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from rgbt_track.evaluation.tuning.space import Range, Space, Value

_RANDOM_TRIALS = 10  # before proposals follow earlier results
_DEFAULT = "default"  # attribute of the trial with the tracker's own settings


class IndexSeededSampler(optuna.samplers.BaseSampler):
    """TPE (Bergstra et al., 2011), multivariate, whose randomness depends on a trial's index alone.

    A trial's index is the number of trials before it that did not fail.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        sampler = self._sampler(study, trial, param_name)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _sampler(
        self, study: optuna.Study, trial: FrozenTrial, name: str = ""
    ) -> optuna.samplers.TPESampler:
        earlier = study.get_trials(deepcopy=False)[: trial.number]
        index = sum(other.state != TrialState.FAIL for other in earlier)
        digest = hashlib.sha256(f"{self.seed} {index} {name}".encode()).digest()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                seed=int.from_bytes(digest[:4], "little"),
                n_startup_trials=_RANDOM_TRIALS,
                multivariate=True,
                constant_liar=True,
            )


def open_study(
    storage: str, name: str, identity: Mapping[str, Any], default: Mapping[str, Value], seed: int
) -> optuna.Study:
    """Open a study, or create it with the tracker's own settings as its first trial.

    Args:
        storage: ``optuna``'s URL of a database, for instance ``sqlite:///tune.db``.
        name: of the study in the storage.
        identity: what its trials have in common: tracker, data and what is searched, as JSON.
        default: the tracker's own values of what is searched.
        seed: of all proposals.

    Raises:
        ValueError: the study there is another, naming what differs, or the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=IndexSeededSampler(seed),
            direction="maximize",
            load_if_exists=True,
        )
    except Exception as error:  # any of SQLAlchemy's, which only optuna imports
        reason = " ".join(str(error).split())
        raise ValueError(f"--storage {storage}: cannot be used: {reason}") from None
    for key, value in identity.items():
        before = study.user_attrs.get(key, value)
        if before != value:
            raise ValueError(
                f"study {name!r} in {storage} was made with another {key}; give another --out, "
                "--storage or --study"
            )
        study.set_user_attr(key, value)
    study.enqueue_trial(dict(default), user_attrs={_DEFAULT: True}, skip_if_exists=True)
    return study


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The completed trials, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def default_trial(study: optuna.Study) -> FrozenTrial | None:
    """The finished trial of the tracker's own settings."""
    marked = [trial for trial in finished_trials(study) if _DEFAULT in trial.user_attrs]
    return marked[0] if marked else None


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The trial of the highest value, the first of several; ``ValueError`` before any."""
    trials = finished_trials(study)
    if not trials:
        raise ValueError(f"study {study.study_name!r} has no finished trial")
    return max(trials, key=lambda trial: (trial.value, -trial.number))


def run_trials(
    study: optuna.Study,
    space: Space,
    count: int,
    evaluate: Callable[[Trial, dict[str, Value]], float],
) -> None:
    """Run trials until the study has ``count`` finished ones, those of other processes included.

    ``evaluate`` gets a trial, for its ``set_user_attr``, and its values. A trial that is
    interrupted, or that fails, is put back, to be run first by the next process.
    """
    while len(finished_trials(study)) < count:
        trial = study.ask()
        values = {name: _suggest(trial, name, item) for name, item in space.items()}
        try:
            result = evaluate(trial, values)
        except BaseException:
            attributes = {key: True for key in (_DEFAULT,) if key in trial.user_attrs}
            study.tell(trial, state=TrialState.FAIL)
            study.enqueue_trial(values, user_attrs=attributes)
            raise
        study.tell(trial, result)


def _suggest(trial: Trial, name: str, item: Any) -> Value:
    if not isinstance(item, Range):
        return trial.suggest_categorical(name, item.values)
    if item.whole:
        return trial.suggest_int(name, int(item.low), int(item.high))
    return trial.suggest_float(name, item.low, item.high)
