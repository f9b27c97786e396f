"""16-bit thermal video: its stretch to 8 bits holds still while the scene does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from rgbt_track.image_fusion.steady_range import SteadyRange
from rgbt_track.io.frames import stretch_to_uint8
from rgbt_track.io.images import read_rgb, write_image
from rgbt_track.io.sources import open_source
from rgbt_track.resources import WEIGHTS

FRAMES, HOT_FROM = 8, 4


def thermal(index: int) -> np.ndarray:
    """A still ramp of 7000 to 7600; from frame ``HOT_FROM`` on something of 9000 stands in it."""
    image = np.tile(np.linspace(7000, 7600, 96), (64, 1)).astype(np.uint16)
    if index >= HOT_FROM:
        image[20:40, 50:70] = 9000
    return image


def steps(values: list[float]) -> np.ndarray:
    return np.abs(np.diff(values))


def test_the_background_keeps_its_gray_while_something_hot_comes_in() -> None:
    steady = SteadyRange()
    frames = [thermal(index) for index in range(FRAMES)]
    held = [steady.stretch(frame) for frame in frames]
    np.testing.assert_array_equal(held[0], stretch_to_uint8(frames[0]))
    backgrounds = [float(frame[:, 40].mean()) for frame in held if frame is not None]
    alone = [float(stretch_to_uint8(frame)[:, 40].mean()) for frame in frames]
    assert steps(alone).max() > 60
    assert 1 < steps(backgrounds).max() < 15, "it follows, but slowly"
    assert backgrounds[-1] < backgrounds[HOT_FROM] < backgrounds[0]


def test_another_scene_and_a_calibration_begin_anew() -> None:
    steady = SteadyRange()
    for frame in (
        thermal(0),
        thermal(1) + 450,
        thermal(2) + 5000,
        np.full((64, 96), 300, np.uint16),
    ):
        np.testing.assert_array_equal(steady.stretch(frame), stretch_to_uint8(frame))


def test_eight_bits_and_missing_frames_stay() -> None:
    steady = SteadyRange()
    frame = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert steady.stretch(frame) is frame and steady.stretch(None) is None


@pytest.mark.parametrize(("out", "least", "most"), [("fused.mp4", 0, 25), ("fused", 50, 255)])
def test_a_video_is_steady_and_pictures_are_stretched_each_by_itself(
    run: Run, tmp_path: Path, out: str, least: float, most: float
) -> None:
    for name in ("color", "ir"):
        (tmp_path / name).mkdir()
    for index in range(FRAMES):
        write_image(tmp_path / "color" / f"{index}.png", np.full((64, 96, 3), 128, np.uint8))
        write_image(tmp_path / "ir" / f"{index}.png", thermal(index))
    code, _, err = run(
        "fuse", "--rgb", tmp_path / "color", "--tir", tmp_path / "ir",
        "--weights", WEIGHTS / "lrrnet.safetensors", tmp_path / out,
    )  # fmt: skip
    assert code == 0, err
    if out.endswith(".mp4"):
        frames = list(open_source(tmp_path / out))
    else:
        frames = [read_rgb(path) for path in sorted((tmp_path / out).iterdir())]
    assert len(frames) == FRAMES
    change = steps([float(frame[:, 85:95].mean()) for frame in frames])[HOT_FROM - 1]
    assert least <= change <= most
