"""Workers and programs that were started end with what started them, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run
from training_material import write_set

from rgbt_track.io.sources import FolderSource
from rgbt_track.processes import Stopped, child_command, exit_status, stop_on_sigterm

SECONDS = 60.0  # for a start of Python with torch on a busy machine

SLOW = """
import os, time
class Tracker:
    def init(self, rgb, tir, box):
        open(f"worker-{os.getpid()}", "w").close()
        self.box = box
        return self
    def update(self, rgb, tir, state):
        time.sleep(0.3)
        return state
def make(device): return Tracker()
"""

# A tracker's process for the VOT toolkit, whose weights take two minutes to load.
LOADING = """
import os, sys, time
import rgbt_track

def load(*arguments, **options):
    print(os.getpid(), file=sys.__stdout__, flush=True)
    time.sleep(120)

rgbt_track.load_tracker = load
from rgbt_track.vot.process import main
main()
"""


def wait_for(what: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def is_alive(number: int) -> bool:
    """Whether a process runs; one that has ended and waits to be taken note of does not."""
    try:
        os.kill(number, 0)
    except OSError:
        return False
    state = Path(f"/proc/{number}/stat")
    try:
        return not state.is_file() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """A command in a process of its own, which finds modules in the folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "rgbt_track", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_child_ends_with_it(parent: subprocess.Popen[str], seconds: float) -> None:
    """Kill a process that has printed its child's number."""
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    assert wait_for(lambda: not is_alive(child), seconds)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Four sequences of 40 frames, and a tracker that takes 0.3 s a frame."""
    write_set(tmp_path / "set", sequences=4, frames=12)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


def workers(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in folder.glob("worker-*")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(scene: Path, number: int) -> None:
    options = ("--root", "set", "--tracker", "slow:make", "--workers", 2, "--no-plots")
    process = start(scene, "evaluate", "plain", *options)
    try:
        assert wait_for(lambda: len(workers(scene)) == 2), process.communicate(timeout=5)
        process.send_signal(number)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert wait_for(lambda: not any(map(is_alive, workers(scene))), 10)
    if number != signal.SIGKILL:
        word = "terminated" if number == signal.SIGTERM else "interrupted"
        assert err == f"{word}; what is done is kept: the same command goes on\n"
        assert process.returncode == 128 + number


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_program_that_was_started_ends_with_its_starter(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "from rgbt_track.processes import child_command\n"
        "sleeper = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "subprocess.run(child_command([sys.executable, '-c', sleeper]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert_child_ends_with_it(starter, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_worker_that_is_still_importing_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(120)\n"
    )
    code = (
        "import multiprocessing, os\n"
        "from rgbt_track.processes import start_heavy_worker\n"
        "context = multiprocessing.get_context('spawn')\n"
        "pickled = b'clate\\nbegin\\n.'  # the function begin of the module late\n"
        "worker = context.Process(target=start_heavy_worker, args=(os.getpid(), pickled))\n"
        "worker.start()\n"
        "worker.join()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert_child_ends_with_it(parent, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="a process keeps the number of its parent")
def test_a_tracker_that_is_being_loaded_ends_with_the_toolkit(tmp_path: Path) -> None:
    """It reads no input until it is loaded, so that the end of its input cannot tell it."""
    pytest.importorskip("trax", reason="the VOT toolkit is not installed")
    toolkit = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", toolkit, LOADING],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RGBT_TRACKER": "stub"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert_child_ends_with_it(parent, 20)


def test_a_program_that_was_started_gives_its_own_status() -> None:
    command = child_command([sys.executable, "-c", "import sys; sys.exit(7)"])
    assert subprocess.run(command).returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_sigterm_is_an_interruption_with_a_status_of_its_own() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as caught, stop_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert exit_status(caught.value) == 143 and exit_status(KeyboardInterrupt()) == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("command", ["track", "fuse"])
def test_sigterm_keeps_the_frames_so_far(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    folder = write_set(tmp_path / "set", sequences=1) / "walk_0"
    original = FolderSource.__iter__

    def stopped(self: FolderSource):
        for index, frame in enumerate(original(self)):
            if index == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield frame

    monkeypatch.setattr(FolderSource, "__iter__", stopped)
    pair = ("--rgb", folder / "color", "--tir", folder / "ir")
    out = tmp_path / "boxes.txt"
    options = {
        "track": ("--tracker", "matching", "--box", "20,30,22,30", "--out", out),
        "fuse": (tmp_path / "fused",),
    }
    code, _, err = run(command, *pair, *options[command])
    assert code == 143 and err.endswith("interrupted; the frames so far are kept\n")
    kept = out.read_text().splitlines() if command == "track" else os.listdir(tmp_path / "fused")
    assert len(kept) == 3
