"""Trackers of an evaluation: loading by name, and a fingerprint beside the results.

The fingerprint keeps a resumed run from mixing the results of two trackers: it holds the settings
and the digest of the weights; a folder of another tracker is refused.
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import ArrayLike

from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.run_files import WEIGHTS_SUFFIXES, run_label
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.io.files import file_sha256, write_text
from rgbt_track.user_modules import find_user_module

FINGERPRINT_FILE = "tracker.json"
_DATA = "data"


class AnyTracker(Protocol):
    """What the runner needs of a tracker: the two calls of ``rgbt_track.Tracker``."""

    def init(self, rgb: Any, tir: Any, box: ArrayLike) -> Any: ...

    def update(self, rgb: Any, tir: Any, state: Any) -> Any: ...


@dataclass(frozen=True)
class TrackerSource:
    """How a process loads its tracker: a name or YAML for ``load_tracker``, or ``module:factory``.

    A factory is called with the keyword ``device`` and returns anything with ``init`` and
    ``update``.
    """

    name: str
    weights: str | None = None
    engine: str = "auto"
    precision: str = "fp32"

    def load(self, device: str) -> AnyTracker:
        """Make the tracker; raises as ``load_tracker`` does, ``ValueError`` for a bad factory."""
        return make_tracker(self.name, device, self.weights, self.engine, self.precision)


def make_tracker(
    name: str,
    device: str = "cpu",
    weights: str | None = None,
    engine: str = "auto",
    precision: str = "fp32",
) -> AnyTracker:
    """Load a tracker by name or YAML, or one of other software by ``package.module:factory``.

    A factory is called as ``factory(device=device)`` and returns an object with ``init(rgb, tir,
    box)`` and ``update(rgb, tir, state)``, whose states have ``box``. Raises as ``load_tracker``
    does, and ``ValueError`` for a dotted path that cannot be imported.
    """
    if not is_dotted(name):
        from rgbt_track.tracking.loading import UntrainedWarning, load_tracker

        with warnings.catch_warnings():  # lacks_weights() warns once, not every process
            warnings.simplefilter("ignore", UntrainedWarning)
            return load_tracker(name, device, weights, engine=engine, precision=precision)
    if weights is not None:
        raise ValueError(f"weights cannot be given to {name}: its factory knows its own")
    if (engine, precision) != ("auto", "fp32"):
        raise ValueError(f"engine and precision cannot be given to {name}: its factory knows them")
    find_user_module(name, [Path()])
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
        tracker = factory(device=device)
    except (Exception, SystemExit) as error:  # a module of anybody's may raise anything
        raise ValueError(
            f"no tracker {name!r}: {type(error).__name__}: {error}; expected "
            "package.module:factory, called as factory(device=...)"
        ) from error
    if not all(callable(getattr(tracker, call, None)) for call in ("init", "update")):
        raise ValueError(
            f"{name} gave a {type(tracker).__name__}; expected an object with init and update"
        )
    return tracker


def is_dotted(name: str) -> bool:
    """Whether a tracker's name is ``package.module:factory`` rather than a name or a path."""
    is_file = name.endswith((".yaml", ".yml", *WEIGHTS_SUFFIXES)) or Path(name).exists()
    return ":" in name and not is_file


def short_name(name: str, weights: str | None = None) -> str:
    """A folder's name for a tracker: the last part of its name, or ``run_label``."""
    return name.rpartition(":")[2] if is_dotted(name) else run_label(name, weights)


def describe_tracker(
    name: str, weights: str | None = None, precision: str = "fp32"
) -> dict[str, Any]:
    """Identity of a tracker: the settings, the digest of the weights and the precision.

    Device and engine are no part of it: their boxes agree to a thousandth of a pixel.

    Raises as ``load_tracker`` does.
    """
    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(f"no such weights: {weights}")
    if is_dotted(name):
        return {"tracker": name}
    from rgbt_track.tracking.loading import own_weights, read_config

    config = read_config(name)
    file = Path(weights) if weights is not None else own_weights(config, name)
    digest = file_sha256(file) if file else None
    settings = {key: to_mapping(getattr(config, key)) for key in ("model", "tracking")}
    return {
        "tracker": config.name,
        **settings,
        "weights_sha256": digest,
        "precision": precision,
    }


def lacks_weights(name: str, weights: str | None = None) -> bool:
    """Whether a tracker is a network without trained weights: its boxes mean nothing.

    ``False`` for a tracker by a dotted name. Raises as ``load_tracker`` does.
    """
    if is_dotted(name):
        return False
    from rgbt_track.tracking.loading import is_untrained, read_config

    return is_untrained(read_config(name), name, weights)


def claim_folder(
    folder: Path,
    fingerprint: dict[str, Any],
    *,
    data: Mapping[str, str] | None = None,
    force: bool = False,
) -> None:
    """Write the fingerprint into a results folder, or check the existing one.

    Args:
        folder: created if missing.
        fingerprint: returned by ``describe_tracker``.
        data: sequence -> ``Annotation.digest`` of what is to be run. Sequences of an earlier call
            stay recorded, so that one folder can be filled in several calls.
        force: take the folder from another tracker or other data: the old results (boxes with
            their times and scores) are deleted.

    Raises:
        ValueError: results of another tracker, or of a sequence whose ground truth was another.
            Results without a fingerprint are refused in any case: their tracker is unknown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FINGERPRINT_FILE
    if not path.is_file() and any(folder.rglob("*.txt")):
        raise ValueError(
            f"{folder}: holds text files but no {FINGERPRINT_FILE}, so other results; give another "
            "--results or --label (rgbt-track score scores what is there)"
        )
    fingerprint, digests = json.loads(json.dumps(fingerprint, default=str)), dict[str, str]()
    if path.is_file() and not force:
        previous = _read_fingerprint(path)
        digests = previous.pop(_DATA, {})
        _check_fingerprint(folder, previous == fingerprint, digests, data or {})
    if force:
        _delete_results(folder)
    digests = {**digests, **(data or {})}
    text = json.dumps(
        {**fingerprint, _DATA: digests} if digests else fingerprint, indent=1, sort_keys=True
    )
    write_text(path, f"{text}\n")


def _read_fingerprint(path: Path) -> dict[str, Any]:
    try:
        fingerprint = parse_json(path.read_bytes(), path)
    except ValueError:
        fingerprint = None
    if not isinstance(fingerprint, dict) or not isinstance(fingerprint.get(_DATA, {}), dict):
        raise ValueError(f"{path}: damaged; run again with --force")
    return fingerprint


def _check_fingerprint(
    folder: Path, is_same: bool, digests: Mapping[str, str], data: Mapping[str, str]
) -> None:
    remedy = "run again with --force, or give another --results or --label"
    if not is_same:
        raise ValueError(f"{folder}: holds results of other settings or weights; {remedy}")
    changed = [name for name, digest in data.items() if digests.get(name, digest) != digest]
    if changed:
        raise ValueError(
            f"{folder}: holds results of other data: the ground truth of {changed[0]} is not what "
            f"it was (another --root, or an edited file); {remedy}"
        )


def _delete_results(folder: Path) -> None:
    for times in list(folder.rglob("*_time.txt")):
        for end in ("", "_score", "_time"):
            name = f"{times.stem.removesuffix('_time')}{end}.txt"
            times.with_name(name).unlink(missing_ok=True)
