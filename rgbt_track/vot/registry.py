"""``trackers.ini``: how the toolkit starts our trackers.

The toolkit runs ``python -m rgbt_track.vot.process`` in a temporary folder with ``PYTHONPATH``
replaced by the section's ``paths``, so what the process needs is written into the section.
"""

from __future__ import annotations

import configparser
import io
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from rgbt_track.config.run_files import run_label, weights_file
from rgbt_track.config.tracker import module_folders
from rgbt_track.io.files import write_text
from rgbt_track.resources import check_choice, folder
from rgbt_track.user_modules import find_user_module

Section = dict[str, str]

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def shipped_sections() -> dict[str, Section]:
    """The trackers of the shipped ``trackers.ini``, ready for this computer."""
    names = _read(folder("experiments") / "trackers.ini").sections()
    return dict(tracker_section(name) for name in names)


def tracker_section(
    tracker: str | Path,
    weights: str | Path | None = None,
    device: str | None = None,
    engine: str = "auto",
    precision: str = "fp32",
) -> tuple[str, Section]:
    """Name and section for one configuration, by shipped name or YAML path.

    A network without weights is called untrained in the label that reports show.

    Args:
        tracker: what ``load_tracker`` takes; weights and runs are named by ``run_label``.
        weights: weights instead of its own.
        device: where it runs; ``None``: on the CPU.
        engine, precision: what runs its network, as in ``load_tracker``.

    Raises what ``load_tracker`` raises for an unknown name or an engine that does not fit, and
    ``FileNotFoundError`` for missing weights.
    """
    from rgbt_track.models.engines.choice import choose_engine
    from rgbt_track.tracking.loading import is_file_name, is_untrained, read_config

    config = read_config(tracker)
    is_weights = weights_file(tracker) is not None
    choose_engine(engine, precision, device or "cpu", is_learned=config.model.has_graphs)
    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(f"no such weights file: {weights}")
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", run_label(tracker) if is_weights else config.name)
    section = {
        "label": f"{name} (untrained)" if is_untrained(config, tracker, weights) else name,
        "protocol": "traxpython",
        "command": "rgbt_track.vot.process",
        "timeout": "120",
        "env_RGBT_TRACKER": _escape(Path(tracker).resolve() if is_file_name(tracker) else tracker),
    }
    if not config.model.is_learned:  # so little work a frame that a second thread only costs
        section["env_OMP_NUM_THREADS"] = "1"
    if weights is not None:
        section["env_RGBT_WEIGHTS"] = _escape(Path(weights).resolve())
    if device is not None:
        section["env_RGBT_DEVICE"] = device
    if engine != "auto":
        section["env_RGBT_ENGINE"] = engine
    if precision != "fp32":
        section["env_RGBT_PRECISION"] = precision
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    paths = [] if str(_PACKAGE_PARENT) in installed else [_PACKAGE_PARENT]
    # The process runs in another folder, where a module of the user's would not be found.
    if ":" in config.model.fusion:
        module_folder = find_user_module(config.model.fusion, module_folders(Path(tracker)))
        paths += [module_folder] if module_folder is not None else []
    if paths:
        section["paths"] = _escape(os.pathsep.join(map(str, paths)))
    if " " in sys.executable:  # the toolkit splits its command line at blanks
        section["python"] = f'"{_escape(sys.executable)}"'
    return name, section


def write_registry(
    path: Path, sections: Mapping[str, Section], replace: Iterable[str] = ()
) -> None:
    """Add sections to a ``trackers.ini``; one that is already there stays unless in ``replace``."""
    parser = _read(path) if path.is_file() else _parser()
    for name, section in sections.items():
        if name not in parser or name in replace:
            parser[name] = section
    text = io.StringIO()
    parser.write(text)
    write_text(path, text.getvalue())


def check_tracker(path: Path, tracker: str) -> None:
    """``ValueError`` unless the ``trackers.ini`` has a section of this name."""
    check_choice(f"{path} has no tracker", tracker, _read(path).sections())


def tracker_label(path: Path, tracker: str) -> str:
    """What reports call a tracker of this ``trackers.ini``."""
    return _read(path)[tracker].get("label", tracker)


def _parser() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    return parser


def _read(path: Path) -> configparser.ConfigParser:
    parser = _parser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"), str(path))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a tracker list: {' '.join(str(error).split())}") from None
    return parser


def _escape(value: str | os.PathLike[str]) -> str:
    """A percent sign is written twice in an ini file, else the toolkit cannot read it."""
    return str(value).replace("%", "%%")
