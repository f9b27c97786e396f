"""The commands that a training run leads to, as they are typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from rgbt_track.config.image_fusion import ImageExperiment
from rgbt_track.config.run_files import BEST, CONFIG, WEIGHTS
from rgbt_track.config.tracker import Config, module_folders
from rgbt_track.user_modules import find_user_module


def use_commands(folder: Path, config: Config | ImageExperiment, experiment: Path) -> list[str]:
    """The commands that use the weights of a finished run, with what was trained, not what ships.

    Only ``SRC``, the user's own frames, is left to be filled in. The network with all its settings
    is in the weights; where its fusion is a class of the user's, which no weights may name, the
    run's ``config.yaml`` is given beside them.

    Args:
        folder: the run's folder, as the user has named it.
        config: what was trained.
        experiment: the YAML that it began with.
    """
    if isinstance(config, ImageExperiment):
        weights = str(folder / WEIGHTS)
        return [f"{_line('rgbt-track', 'fuse', '--weights', weights)} --rgb SRC --tir SRC OUT"]
    tracker, before = ["--tracker", str(folder)], ""
    if ":" in config.model.fusion:
        best = folder / BEST
        weights = str(best if best.is_file() else folder / WEIGHTS)
        tracker = ["--tracker", str(folder / CONFIG), "--weights", weights]
        module = find_user_module(config.model.fusion, module_folders(experiment))
        if module is not None and module != Path().resolve():
            before = f"PYTHONPATH={shlex.quote(str(module))} "
    lines = [f"{_line('rgbt-track', 'track', *tracker)} --rgb SRC --tir SRC"]
    lines += [_line("rgbt-track", "evaluate", *data, *tracker) for data in _validation(config)]
    return [before + line for line in lines]


def resume_command(
    folder: Path,
    experiment: str,
    settings: Iterable[str],
    devices: str,
    nodes: int,
    accelerator: str,
) -> str:
    """The command that goes on with an interrupted run; arguments as those of ``train``."""
    options = {"--devices": (devices, "auto"), "--nodes": (str(nodes), "1")}
    options["--accelerator"] = (accelerator, "auto")
    given = [
        word
        for key, (value, default) in options.items()
        if value != default
        for word in (key, value)
    ]
    return _line(
        "rgbt-track", "train", experiment, *settings, "--out", str(folder), *given, "--resume"
    )


def _validation(config: Config) -> Iterable[list[str]]:
    """The arguments of ``evaluate`` for each validation set that it can name: a data set, whole,
    one split of it, or some sequences by their full names."""
    for source in config.training.validation:
        is_plain = not source.exclude and not source.left_out and not source.leave_out
        if source.dataset is None or not is_plain or any("*" in name for name in source.sequences):
            continue
        root = Path(config.training.root).expanduser() / source.folder
        split = ["--split", source.split] if source.split else []
        sequences = [word for name in source.sequences for word in ("--sequence", name)]
        yield [source.dataset, "--root", str(root), *split, *sequences]


def _line(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
