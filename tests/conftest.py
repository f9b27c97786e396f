"""What several test files need: a command, run as at a shell."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rgbt_track.cli import main

# Neither a test nor a process that one starts writes into the user's folders.
os.environ["RGBT_TRACK_CACHE"] = "off"
# Two processes run the tests (setup.cfg); threads of theirs that wait for each other would spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("track", "--rgb", path)`` -> exit status, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rgbt-track", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def load_benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """``load_benchmark("engines")`` -> the module of a script in ``benchmarks``."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module
