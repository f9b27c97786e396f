"""The TraX process, driven by the real ``trax`` client over pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rgbt_track.io.images import write_image
from rgbt_track.vot.process import SessionFault, serve

trax = pytest.importorskip("trax")
from trax.client import Client  # noqa: E402
from trax.image import FileImage  # noqa: E402

ROOT = Path(__file__).parents[1]

# A tracker that moves by a pixel a frame, chatters in every way there is, and needs no network.
STUB = """
import os, sys, types, warnings
import numpy as np
import rgbt_track

class Chatterbox:
    def init(self, rgb, tir, box):
        assert rgb.ndim == 3 and rgb.dtype == tir.dtype == np.uint8
        return self.at(np.array(box))
    def update(self, rgb, tir, state):
        return self.at(state.box + 1)
    def at(self, box):
        print("no newline", end="")
        os.write(2, b"raw \\xff bytes @@TRAX:quit ")
        warnings.warn("a warning")
        return types.SimpleNamespace(box=box * float(os.environ.get("FACTOR", 1)), score=0.25)

def load_tracker(name, device, weights, engine, precision):
    print("loading", end="")
    if name == "unknown":
        raise FileNotFoundError("unknown name 'unknown' \\u2014 caf\\u00e9")
    return Chatterbox()

rgbt_track.load_tracker = load_tracker
from rgbt_track.vot.process import main
main()
"""


class Session:
    """A process and its client; ``log`` is all that went over the streams."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.log: list[str] = []
        env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=env,
        )
        streams = (self.process.stdin.fileno(), self.process.stdout.fileno())
        self.client = Client(stream=streams, log=self.log.append)

    def initialize(self, frame, region):
        (reply,), _ = self.client.initialize(as_images(frame), [(region, {})], {})
        return reply

    def frame(self, frame):
        (reply,), _ = self.client.frame(as_images(frame), {}, [])
        return reply

    def stray_lines(self):
        lines = "".join(self.log).splitlines()
        return [line for line in lines if line and not line.startswith("@@TRAX:")]

    def close(self):
        # A client that is dropped without quitting calls its freed logger.
        self.client.quit()
        return self.process.wait(30)

    def end(self):
        self.client.quit()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def frames(tmp_path):
    """The files of three frames, as paths by channel."""
    random = np.random.default_rng(0)
    found = []
    for number in range(3):
        files = {"color": tmp_path / f"color_{number}.jpg", "ir": tmp_path / f"ir_{number}.png"}
        for file in files.values():
            write_image(file, random.integers(0, 256, (48, 64, 3), np.uint8))
        found.append(files)
    return found


def as_images(files):
    # The client takes the images over and frees them: every request needs its own.
    return {channel: FileImage.create(str(file)) for channel, file in files.items()}


@pytest.fixture
def session():
    opened = []

    def start(name="stub", **environment):
        opened.append(Session(["-c", STUB], RGBT_TRACKER=name, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


def test_initialize_frames_reinitialize_quit(session, frames):
    run = session()
    assert run.client.channels == ["color", "ir"]
    assert run.client.tracker_name == "stub"
    # With this key the toolkit would start a process per anchor.
    assert run.client.get("vot") is None
    for left in (4, 20):
        region, properties = run.initialize(frames[0], trax.Rectangle.create(left, 5, 10, 12))
        assert region.bounds() == (left, 5, 10, 12)
        assert float(properties["confidence"]) == 0.25
        for step in (1, 2):
            region, properties = run.frame(frames[step])
            assert region.bounds() == (left + step, 5 + step, 10 + step, 12 + step)
            assert float(properties["confidence"]) == 0.25
    assert run.close() == 0
    assert run.stray_lines() == []


def test_a_polygon_starts_with_its_enclosing_box(session, frames):
    run = session()
    corners = [(10.0, 8.0), (20.0, 10.0), (18.0, 30.0), (9.0, 28.0)]
    region, _ = run.initialize(frames[0], trax.Polygon.create(corners))
    assert region.bounds() == (9, 8, 11, 22)
    assert run.close() == 0


def test_unreadable_image_is_reported(session, frames):
    run = session()
    run.initialize(frames[0], trax.Rectangle.create(4, 5, 10, 12))
    frames[1]["ir"].write_bytes(b"not an image")
    with pytest.raises(trax.TraxException, match=r"ValueError: .*ir_1.png: not a readable"):
        run.frame(frames[1])
    assert run.close() == 1
    # The log has what the libraries said, in whole lines that are none of the protocol's.
    assert any(line.startswith("| no newline") for line in run.stray_lines())
    assert "Traceback (most recent call last):" in run.stray_lines()


def test_missing_image_is_reported(session, frames):
    run = session()
    run.initialize(frames[0], trax.Rectangle.create(4, 5, 10, 12))
    frames[1]["color"].unlink()
    with pytest.raises(trax.TraxException, match="FileNotFoundError: no such image"):
        run.frame(frames[1])
    assert run.close() == 1


def test_frame_before_initialize_is_a_fault(frames):
    class Server:
        def wait(self):
            return SimpleNamespace(type="frame", image=as_images(frames[0]))

    with pytest.raises(SessionFault, match="a frame was sent before any initialize"):
        serve(Server(), tracker=object())


def test_a_tracker_by_an_accented_path_says_hello(session, frames):
    run = session("/tmp/caf\u00e9.yaml")
    assert run.client.tracker_name == r"/tmp/caf\xe9.yaml"
    run.initialize(frames[0], trax.Rectangle.create(4, 5, 10, 12))
    assert run.close() == 0


def test_box_that_is_not_finite_is_reported(session, frames):
    run = session(FACTOR="nan")
    with pytest.raises(trax.TraxException, match="both must be finite"):
        run.initialize(frames[0], trax.Rectangle.create(4, 5, 10, 12))
    assert run.close() == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("unknown", r"unknown name 'unknown' \\u2014 caf\\xe9"), ("", "add env_RGBT_TRACKER = NAME")],
)
def test_tracker_that_does_not_load_is_told_at_the_first_request(session, frames, name, reason):
    run = session(name)
    with pytest.raises(trax.TraxException, match=reason):
        run.initialize(frames[0], trax.Rectangle.create(4, 5, 10, 12))
    assert run.close() == 1


def test_the_visible_and_the_thermal_image_keep_their_places(tmp_path):
    """``color`` is the tracker's visible frame and ``ir`` the thermal one, in every request."""
    files = {"color": tmp_path / "color.png", "ir": tmp_path / "ir.png"}
    write_image(files["color"], np.full((48, 64, 3), (200, 30, 10), np.uint8))
    write_image(files["ir"], np.full((48, 64), 77, np.uint8))
    frames_seen = []

    class Recorder:
        def init(self, rgb, tir, box):
            frames_seen.append((rgb, tir))
            return SimpleNamespace(box=box, score=0.5)

        def update(self, rgb, tir, state):
            frames_seen.append((rgb, tir))
            return state

    class Server:
        types = iter(["initialize", "frame", "quit"])

        def wait(self):
            region = trax.Rectangle.create(4, 5, 10, 12)
            images, kind = as_images(files), next(self.types)
            return SimpleNamespace(type=kind, image=images, objects=[(region, {})])

        def status(self, reply):
            assert len(reply) == 1

    serve(Server(), Recorder())
    assert len(frames_seen) == 2
    for rgb, tir in frames_seen:
        assert (rgb == (200, 30, 10)).all() and rgb.shape == (48, 64, 3)
        assert (tir == 77).all()


# The order of what happens before a session: no time limit counts before the hello.
ORDER = """
import types
import rgbt_track, trax

def happened(what):
    with open("order.txt", "a") as file:
        file.write(what + " ")

class Tracker:
    def init(self, rgb, tir, box):
        happened("init")
        return types.SimpleNamespace(box=box, score=1.0)
    def update(self, rgb, tir, state):
        happened("update")
        return state

class Server:
    def __init__(self, *arguments, **options):
        happened("hello")
    def __enter__(self):
        return self
    def __exit__(self, *exception):
        pass
    def wait(self):
        return types.SimpleNamespace(type="quit")

rgbt_track.load_tracker = lambda name, device, weights, **options: happened("load") or Tracker()
trax.Server = Server
from rgbt_track.vot.process import main
main()
"""


@pytest.fixture(scope="module")
def order(tmp_path_factory):
    """What a process does until it says quit, in order."""
    folder = tmp_path_factory.mktemp("order")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "RGBT_TRACKER": "stub"}
    subprocess.run([sys.executable, "-c", ORDER], cwd=folder, env=env, check=True)
    return (folder / "order.txt").read_text().split()


def test_the_model_is_loaded_before_the_hello(order):
    assert order.count("load") == order.count("hello") == 1
    assert order.index("load") < order.index("hello")


def test_the_tracker_is_warmed_up_before_the_hello(order):
    before = order[: order.index("hello")]
    assert "init" in before and "update" in before[before.index("init") :]


def test_the_real_module_serves_a_shipped_tracker(frames):
    """``python -m``, the command that trackers.ini gives, with a tracker that needs no training."""
    run = Session(["-m", "rgbt_track.vot.process"], RGBT_TRACKER="matching")
    try:
        run.initialize(frames[0], trax.Rectangle.create(20, 10, 16, 16))
        region, properties = run.frame(frames[1])
        assert np.isfinite(region.bounds()).all()
        assert 0 <= float(properties["confidence"]) <= 1
        assert run.close() == 0
        assert run.stray_lines() == []
    finally:
        run.end()


def test_process_imports_neither_toolkit_nor_trainer_nor_plots():
    code = (
        "import json, sys, rgbt_track, rgbt_track.vot.process; from rgbt_track import load_tracker;"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert not {"vot", "lightning", "matplotlib"} & set(json.loads(done.stdout))
