"""The files of a run's folder, weights files by name, and what reports call a tracker from them."""

from __future__ import annotations

from pathlib import Path

CONFIG, RECORD, METRICS, CURVES = "config.yaml", "run.json", "metrics.csv", "curves.png"
WEIGHTS, BEST = "weights.safetensors", "best.safetensors"
CHECKPOINTS, LAST = "checkpoints", "last.ckpt"

CHECKPOINT_SUFFIX = ".ckpt"
WEIGHTS_SUFFIXES = (".safetensors", CHECKPOINT_SUFFIX, ".pth", ".pt")
RUN_WEIGHTS = (BEST, WEIGHTS, f"{CHECKPOINTS}/{LAST}")
"""A run's weights, the first that is there: of the best validation, of the end, of now."""


def weights_file(name: str | Path) -> Path | None:
    """The weights file that a tracker's name is, or that its run's folder holds.

    A file need not exist; ``None`` for a name that is neither, and for an empty one, which would
    be the current folder.
    """
    if not str(name):
        return None
    path = Path(name)
    if path.suffix in WEIGHTS_SUFFIXES and not path.is_dir():
        return path
    return next((path / file for file in RUN_WEIGHTS if (path / file).is_file()), None)


def is_run(folder: Path) -> bool:
    """Whether this is the folder of a training run."""
    return (folder / CONFIG).is_file() and (folder / RECORD).is_file()


def run_of(file: str | Path) -> Path | None:
    """The folder of the run that has written a file; ``None`` for any other file."""
    parent = Path(file).parent
    folder = parent.parent if parent.name == CHECKPOINTS else parent
    return folder if is_run(folder) else None


def run_label(name: str | Path, weights: str | Path | None = None) -> str:
    """What reports call a tracker: by its run, if a run has made its weights.

    The folder ``runs/x`` gives "x", its file ``best.safetensors`` "x_best"; any other file its name
    without suffix, and a shipped tracker its own.
    """
    if weights is not None and run_of(weights) is None:
        weights = None
    path = Path(name if weights is None else weights)
    if path.is_dir():
        return path.resolve().name
    has_suffix = path.suffix in (*WEIGHTS_SUFFIXES, ".yaml", ".yml")
    stem = path.stem if has_suffix else path.name
    folder = run_of(path) if has_suffix else None
    return stem if folder is None else f"{folder.resolve().name}_{stem}"
