"""The record of a run in its folder: settings, commit, versions; whether it can be resumed."""

from __future__ import annotations

import json
import os
import pickle
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from rgbt_track import __version__
from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.run_files import CHECKPOINTS, CONFIG, LAST, RECORD
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.io.files import write_text
from rgbt_track.resources import installed_version

_PACKAGES = ("torch", "torchvision", "lightning", "numpy", "opencv-python", "lmdb")


def write_record(out: Path, config: Any) -> None:
    """Write ``config.yaml`` and ``run.json``, both whole or not at all.

    ``config`` is a ``Config``, or any experiment whose ``training`` has a ``seed``.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / CONFIG, yaml.safe_dump(to_mapping(config), sort_keys=False))
    record = {
        "command": sys.argv,
        "seed": config.training.seed,
        "commit": git_commit(),
        "rgbt_track": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores",
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "packages": {name: installed_version(name) for name in _PACKAGES},
    }
    write_text(out / RECORD, json.dumps(record, indent=1) + "\n")


def check_folder(
    out: Path,
    last: Path,
    config: Any,
    resume: bool,
    sections: tuple[str, ...],
) -> None:
    """Check that a run can start in a folder, or be resumed there.

    Args:
        out: the folder.
        last: the checkpoint to resume from.
        config: the settings of this run.
        resume: the run is to be resumed.
        sections: the parts of the settings that must be as they were.

    Raises:
        FileExistsError: a new run where another one lies.
        FileNotFoundError: no checkpoint to resume from.
        ValueError: the settings of the network are not those of the run.
    """
    if not resume:
        if last.exists():
            raise FileExistsError(
                f"{out} holds a run already: continue it with --resume, or choose another --out"
            )
        return
    if not last.is_file():
        raise FileNotFoundError(f"{last}: no checkpoint to resume from")
    if not (out / CONFIG).is_file():
        raise FileNotFoundError(f"{out / CONFIG}: missing, so what was trained here is unknown")
    stored = to_mapping(from_mapping(type(config), read_yaml(out / CONFIG), str(out / CONFIG)))
    current = to_mapping(config)
    for section in sections:
        for key, new in current[section].items():
            old = stored[section][key]
            if old == new:
                continue
            raise ValueError(
                f"{out}: cannot resume: {section}.{key} was {old!r} in that run and is {new!r} "
                "now; resume with the settings of its config.yaml, or start a new run"
            )


def was_requeued(out: Path) -> bool:
    """Whether SLURM has started this job again, after it began the run in this folder."""
    is_again = os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")
    return is_again and (out / CHECKPOINTS / LAST).is_file()


def steps_done(checkpoint: Path) -> int:
    """The step at which a checkpoint was written; ``ValueError`` for a damaged one."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return int(content["global_step"])
    except (RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError):
        raise ValueError(
            f"{checkpoint}: damaged checkpoint; resume from another one by renaming it {LAST}, "
            "or start a new run"
        ) from None


def git_commit() -> str | None:
    """The commit that this package lies in, with ``-dirty`` if changed; ``None`` without git."""
    folder = Path(__file__).parent
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
