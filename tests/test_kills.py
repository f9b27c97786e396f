"""Each long command is killed at random moments, ten times, and started again until it is done.

Nothing may be lost or left running, and the outcome must be that of an undisturbed run, byte for
byte. Ten minutes and more, so by ``pytest -m kills`` alone. Commands run in forks of this process,
which has imported what they need and run nothing, since a start of torch would take most of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from training_material import tiny_experiment, write_set

from rgbt_track.config.parsing import to_mapping

pytestmark = [
    pytest.mark.kills,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

KILLS = 10
OUTPUTS = ("out", "out.lmdb", "workspace/results")
Outcome = dict[str, bytes]


def start(folder: Path, *arguments: object) -> int:
    """A command in a fork and a session of its own; returns its number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open(folder / "log.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = ["rgbt-track", *map(str, arguments)]
        from rgbt_track.cli import main

        main()
    except SystemExit as left:
        status = int(left.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def session_members(session: int) -> list[str]:
    """The processes of a session that are alive."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = stat.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(own) == session and state != "Z":
            members.append(stat.parent.name)
    return members


def wait(number: int, seconds: float) -> int | None:
    """The status of a process, or ``None`` if it is not over in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    return None


def finish(folder: Path, command: Callable[[], tuple[object, ...]]) -> float:
    """Run a command to its end; returns the seconds it took."""
    begin = time.monotonic()
    status = wait(start(folder, *command()), 900)
    assert status == 0, (folder / "log.txt").read_text()[-2000:]
    return time.monotonic() - begin


def disturb(folder: Path, command: Callable[[], tuple[object, ...]], seconds: float) -> None:
    """Kill a command ``KILLS`` times, and let it go on after each; it is done at the end.

    A command that is done too early begins again without its outputs.
    """
    rng, kills = np.random.default_rng(0), 0
    while kills < KILLS:
        number = start(folder, *command())
        status = wait(number, float(rng.uniform(0.05, 0.9)) * seconds)
        if status is not None:
            assert status == 0, (folder / "log.txt").read_text()[-2000:]
            for path in (folder / name for name in OUTPUTS):
                path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
            continue
        kills += 1
        os.kill(number, (signal.SIGKILL, signal.SIGTERM)[kills % 2])
        assert wait(number, 120) is not None, "it does not end at SIGTERM"
        end = time.monotonic() + 60  # a worker that starts imports pytest first
        while session_members(number) and time.monotonic() < end:
            time.sleep(0.05)
        assert not session_members(number), "something was left running"
    finish(folder, command)


def check(folder: Path, command: Callable[..., tuple[object, ...]], read: Callable) -> None:
    """The outcome in ``whole`` of an undisturbed run is that of a disturbed one in ``cut``."""
    for name in ("whole", "cut"):
        (folder / name).mkdir(exist_ok=True)
    seconds = finish(folder / "whole", lambda: command(folder / "whole"))
    disturb(folder / "cut", lambda: command(folder / "cut"), seconds)
    whole, cut = read(folder / "whole"), read(folder / "cut")
    assert whole and whole.keys() == cut.keys()
    assert [name for name in whole if whole[name] != cut[name]] == []


def files(folder: Path, pattern: str, without: str = "no such name") -> Outcome:
    """The contents of the files of a pattern, but for hidden ones, which a kill may leave."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and without not in path.name and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("data"), sequences=6, frames=18)


def test_train(data: Path, tmp_path: Path) -> None:
    import rgbt_track.training.run  # noqa: F401  before any fork

    settings = to_mapping(tiny_experiment(data, epochs=3, pairs_per_epoch=64, checkpoint_every=2))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings))

    def command(folder: Path) -> tuple[object, ...]:
        out = folder / "out"
        resume = ["--resume"] if (out / "checkpoints" / "last.ckpt").is_file() else []
        return "train", tmp_path / "tiny.yaml", "--out", out, "--accelerator", "cpu", *resume

    def read(folder: Path) -> Outcome:
        names = ("weights.safetensors", "metrics.csv", "config.yaml")
        return {name: (folder / "out" / name).read_bytes() for name in names}

    check(tmp_path, command, read)


def test_evaluate(data: Path, tmp_path: Path) -> None:
    import rgbt_track.commands.evaluate  # noqa: F401

    options = ("plain", "--root", data, "--tracker", "matching", "--no-plots", "--workers", 2)
    check(
        tmp_path,
        lambda folder: ("evaluate", *options, "--results", folder / "out"),
        lambda folder: files(folder / "out", "walk_*.txt", "_time"),
    )


def test_lmdb(data: Path, tmp_path: Path) -> None:
    import lmdb

    import rgbt_track.commands.data.lmdb  # noqa: F401

    def read(folder: Path) -> Outcome:
        path = str(folder / "out.lmdb")
        with (
            lmdb.open(path, subdir=False, readonly=True, lock=False) as store,
            store.begin() as view,
        ):
            return {key.decode(): value for key, value in view.cursor()}

    options = ("plain", "--root", data, "--size", 300, "--workers", 2)
    check(tmp_path, lambda folder: ("data", "lmdb", *options, folder / "out.lmdb"), read)


def test_fuse(data: Path, tmp_path: Path) -> None:
    import rgbt_track.commands.fuse  # noqa: F401

    pair = ("--rgb", data / "walk_0" / "color", "--tir", data / "walk_0" / "ir")
    check(
        tmp_path,
        lambda folder: ("fuse", *pair, folder / "out"),
        lambda folder: files(folder / "out", "*.png"),
    )


def test_vot_evaluate(tmp_path: Path) -> None:
    pytest.importorskip("vot", reason="the VOT toolkit is not installed")
    data = write_set(tmp_path / "data", sequences=2, frames=10)
    for name in ("whole", "cut"):
        command = ("vot", "workspace", "plain", "--root", data, tmp_path / name / "workspace")
        (tmp_path / name).mkdir()
        finish(tmp_path / name, lambda command=command: command)

    def command(folder: Path) -> tuple[object, ...]:
        return "vot", "evaluate", folder / "workspace", "--tracker", "matching"

    def read(folder: Path) -> Outcome:
        results = files(folder / "workspace" / "results", "*", "_time")
        return {name: text for name, text in results.items() if name.endswith((".txt", ".bin"))}

    check(tmp_path, command, read)
