"""Live sources: the newest frame, dropped ones counted; cameras that fall silent; Y16; HTTP."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run
from streams import mjpeg_server
from stub_network import disc_frame

from rgbt_track.boxes import iou_xywh
from rgbt_track.io import cameras
from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.cameras import LiveSource, open_camera, y16_image
from rgbt_track.io.images import write_image
from rgbt_track.io.pairing import PairedFrames
from rgbt_track.io.sources import open_source

STATIC = 6  # copies of the first frame: a stream is opened by looking at several
BOX = "80,100,40,40"


class Gate:
    """A source's ``read`` that gives frame after frame as the test lets it."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.count = 0
        self.ending = False
        self.error: Exception | None = None

    def read(self) -> np.ndarray | None:
        self.allowed.acquire()
        if self.error is not None:
            raise self.error
        if self.ending:
            return None
        self.count += 1
        return np.full((4, 4), self.count, np.uint8)

    def give(self, source: LiveSource, frames: int = 1) -> None:
        """Let frames through, and wait until the source has grabbed them."""
        until = self.count + frames
        for _ in range(frames):
            self.allowed.release()
        while (newest := source.recent(10)) is None or newest.image[0, 0] != until:
            time.sleep(0.001)

    def end(self) -> None:
        self.ending = True
        self.allowed.release()

    def source(self, name: str = "camera", fps: float | None = None) -> LiveSource:
        return LiveSource(name, self.read, lambda: None, fps)


def test_the_newest_frame_comes_and_the_others_are_counted() -> None:
    gate = Gate()
    with gate.source() as source:
        gate.give(source)
        frame = source.take()
        assert frame is not None and frame.seconds == 0 and frame.image[0, 0] == 1
        gate.give(source, 5)
        frame = source.take()
        assert frame is not None and frame.image[0, 0] == 6 and source.dropped == 4
        assert source.take(timeout=0.01) is None and not source.ended
        gate.end()
        assert source.take() is None and source.ended


def test_a_camera_that_breaks_off_says_why_and_ends() -> None:
    gate = Gate()
    with gate.source() as source:
        gate.give(source)
        gate.error = OSError("unplugged")
        gate.allowed.release()
        assert source.take() is not None
        assert source.take() is None and source.ended and source.error == "unplugged"


def test_a_silent_camera_is_a_missing_modality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgbt_track.io.pairing._STALE_SECONDS", 0.2)
    visible, thermal = Gate(), Gate()
    rgb, tir = visible.source("rgb", 25), thermal.source("tir", 9)
    pairs = PairedFrames(rgb, tir)
    assert pairs.is_live and pairs.length is None
    visible.give(rgb)
    thermal.give(tir)
    frames = iter(pairs)

    def numbers() -> tuple[int | None, int | None]:
        pair = next(frames)
        return tuple(None if image is None else int(image[0, 0]) for image in pair)  # type: ignore[return-value]

    assert numbers() == (1, 1)
    visible.give(rgb)
    assert numbers() == (2, 1), "a slower camera's frame is used again"
    time.sleep(0.3)
    visible.give(rgb)
    assert numbers() == (3, None), "but not when it is old"
    thermal.give(tir)
    assert numbers() == (None, 2), "the other one goes on alone"
    thermal.end()
    visible.give(rgb, 3)
    assert numbers() == (6, None) and pairs.dropped == 2
    visible.end()
    assert next(frames, None) is None


def test_a_camera_without_a_frame_and_one_beside_a_recording_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rgbt_track.io.pairing._FIRST_FRAME_SECONDS", 0.05)
    gate = Gate()
    with pytest.raises(ValueError, match=r"camera: no frame came within 0.05 s"):
        next(iter(PairedFrames(gate.source(), None)))
    write_image(tmp_path / "0.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="is recorded and the other source is live"):
        PairedFrames(Gate().source(), open_source(tmp_path))


@pytest.mark.parametrize("form", ["words", "bytes", "row", "telemetry"])
def test_y16_in_the_forms_that_drivers_give(form: str) -> None:
    image = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8) * 1000
    data = {
        "words": image,
        "bytes": image.view(np.uint8).reshape(6, 8, 2),
        "row": image.view(np.uint8).reshape(1, -1),
        "telemetry": np.vstack([image, np.ones((2, 8), np.uint16)]),
    }[form]
    np.testing.assert_array_equal(y16_image(data, (8, 6)), image)
    with pytest.raises(ValueError, match="80 bytes for 8x6 pixels"):
        y16_image(image[:5], (8, 6))


class FakeCamera:
    """An ``cv2.VideoCapture`` of a camera with the formats YUYV and, perhaps, Y16."""

    has_y16 = True
    opened: tuple[int, int] = (-1, -1)

    def __init__(self, index: int, backend: int):
        FakeCamera.opened = (index, backend)
        self.values = {
            cv2.CAP_PROP_FRAME_WIDTH: 8.0, cv2.CAP_PROP_FRAME_HEIGHT: 6.0, cv2.CAP_PROP_FPS: 9.0,
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV")),
            cv2.CAP_PROP_CONVERT_RGB: 1.0,
        }  # fmt: skip

    def isOpened(self) -> bool:
        return self.opened[0] < 2

    def set(self, key: int, value: float) -> bool:
        if key != cv2.CAP_PROP_FOURCC or self.has_y16:
            self.values[key] = float(value)
        return True

    def get(self, key: int) -> float:
        return self.values[key]

    def read(self) -> tuple[bool, np.ndarray]:
        if self.values[cv2.CAP_PROP_CONVERT_RGB]:
            return True, np.full((6, 8, 3), (0, 0, 255), np.uint8)
        return True, np.full((6, 8), 30000, np.uint16)

    def release(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("has_y16", [True, False])
def test_a_thermal_camera_gives_its_sixteen_bits(
    monkeypatch: pytest.MonkeyPatch, has_y16: bool
) -> None:
    monkeypatch.setattr(cameras.cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(FakeCamera, "has_y16", has_y16)
    with open_camera("/dev/video1", thermal=True) as source:
        image = next(iter(source))
    assert FakeCamera.opened[0] == 1 and source.fps == 9
    if has_y16:
        assert image.dtype == np.uint16 and image.shape == (6, 8) and image[0, 0] == 30000
    else:
        assert image[0, 0].tolist() == [255, 0, 0]
    with pytest.raises(ValueError, match="camera 2: cannot be opened"):
        open_source("2")


def test_a_stream_gives_the_boxes_of_the_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "color"
    folder.mkdir()
    for index in range(STATIC + 11):
        frame = disc_frame(100 + 3 * max(index - STATIC + 1, 0), 120, 20)
        write_image(folder / f"{index:04d}.jpg", frame)
    options = ["--tracker", "matching", "--box", BOX]
    assert run("track", "--rgb", folder, *options, "--out", tmp_path / "folder.txt")[0] == 0
    rows = tmp_path / "live.txt.part"

    def tracked() -> int:
        return len(rows.read_text().splitlines()) if rows.exists() else 0

    before: list[int] = []

    def wait(index: int) -> None:
        """Send the next moving frame when the tracker has seen the one before."""
        if index == STATIC:
            while not tracked() or before[-1:] != [tracked()]:
                before.append(tracked())
                time.sleep(0.3)
        while index > STATIC and tracked() < before[-1] + index - STATIC:
            time.sleep(0.01)

    with mjpeg_server({"cam": folder}, wait) as address:
        code, out, _ = run(
            "track", "--rgb", f"{address}/cam", *options, "--out", tmp_path / "live.txt"
        )
    assert code == 0 and "frames dropped" in out
    live, recorded = (read_box_rows(tmp_path / name)[-11:] for name in ("live.txt", "folder.txt"))
    assert iou_xywh(live, recorded).min() > 0.9
    assert iou_xywh(live[-1], [113, 100, 40, 40]) > 0.6
