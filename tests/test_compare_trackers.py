"""The comparison of trackers: peers behind our calls, groups, directions, and what is averaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest


@pytest.fixture
def compare(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("compare_trackers")


@pytest.fixture
def peers(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("peer_trackers")


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Two sequences of both modalities and one of thermal frames alone, in the plain layout."""
    rng = np.random.default_rng(0)
    for name, folders in (("walk", ("color", "ir")), ("ride", ("color", "ir")), ("fly", ("ir",))):
        top = tmp_path / ("tir" if name == "fly" else "both") / name
        for folder in folders:
            (top / folder).mkdir(parents=True)
            ground = rng.integers(40, 80, (70, 100), dtype=np.uint8)
            for index in range(4):
                image = ground.copy()
                cv2.circle(image, (40 + 2 * index, 30), 8, 230, -1)
                cv2.imwrite(str(top / folder / f"{index}.png"), image)
        boxes = [[32 + 2 * index, 22, 17, 17] for index in range(4)]
        np.savetxt(top / "groundtruth.txt", boxes, "%g", ",")
    (tmp_path / "thermal.yaml").write_text("tir: ir\nboxes: [groundtruth.txt]\n")
    return tmp_path


def test_the_image_of_a_single_image_tracker(peers):
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[..., 0], tir = 200, np.full((4, 6), 100, np.uint8)
    assert peers.bgr_image(rgb, None)[0, 0].tolist() == [0, 0, 200]
    assert peers.bgr_image(None, tir)[0, 0].tolist() == [100, 100, 100]
    assert peers.bgr_image(rgb, tir)[0, 0].tolist() == [50, 50, 150]


class Graph:
    """An ONNX Runtime session of which the answer is a function of the inputs."""

    def __init__(self, *names, answer):
        self.names, self.answer = names, answer

    def get_inputs(self):
        return [type("Input", (), {"name": name}) for name in self.names]

    def run(self, outputs, feeds):
        return self.answer(*(feeds[name] for name in self.names))


def nano_track(peers, monkeypatch, point, distances, logit=8.0):
    """NanoTrack whose head sees the target at one point (row, column), with these distances."""

    def head(kernel, features):
        assert kernel.shape[-1] == 127 and features.shape[-1] == 255
        logits = np.zeros((1, 2, 15, 15), np.float32)
        logits[0, 1] = -8
        logits[0, 1, point[0], point[1]] = logit
        return [logits, np.tile(np.float32(distances)[None, :, None, None], (1, 1, 15, 15))]

    graphs = {
        "backbone.onnx": Graph("input", answer=lambda image: [image]),
        "head.onnx": Graph("input1", "input2", answer=head),
    }
    monkeypatch.setattr(peers, "_session", lambda path, threads: graphs[path.name])
    return peers.NanoTrack("folder")


def test_nano_track_finds_the_box_of_its_best_point(peers, monkeypatch):
    """The target of 40 x 40 has a context of 80 x 80, of which the template shows 127 x 127."""
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    scale = 127 / 80
    tracker = nano_track(peers, monkeypatch, (7, 9), np.array([24, 20, 16, 20]) * scale)
    state = tracker.init(frame, None, [140.0, 100, 40, 40])
    found = tracker.update(frame, None, state)
    # Two points to the right are 32 crop pixels; the box reaches 24 left of them and 16 right.
    x, y, w, h = found.box
    assert (x + w / 2, y + h / 2) == pytest.approx((160 + 32 / scale - 4, 120), abs=0.6)
    assert (w, h) == pytest.approx((40, 40), abs=0.3)
    assert found.score == pytest.approx(1 / (1 + np.exp(-8)), abs=1e-4)
    assert state.box.tolist() == [140, 100, 40, 40]


def test_nano_tracks_size_follows_at_its_rate(peers, monkeypatch):
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    half = 25 * 127 / 80  # a box of 50 pixels
    tracker = nano_track(peers, monkeypatch, (7, 7), [half] * 4)
    found = tracker.update(frame, None, tracker.init(frame, None, [140.0, 100, 40, 40]))
    penalty = np.exp(-(50 / 40 - 1) * 0.138)
    expected = 40 + 10 * 0.348 * penalty / (1 + np.exp(-8))
    assert found.box[2:] == pytest.approx([expected] * 2, abs=0.1)


def test_a_missing_file_of_nano_track_is_named(peers, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"backbone\.onnx; expected"):
        peers.NanoTrack(tmp_path)


@dataclass
class State:
    box: np.ndarray


class ShiftedTracker:
    """Off by 8.5 pixels, half of the target, where it does not see both modalities."""

    def init(self, rgb, tir, box):
        return State(np.asarray(box, float))

    def update(self, rgb, tir, state):
        image = rgb if rgb is not None else tir
        center = np.argwhere(image.reshape(*image.shape[:2], -1)[..., 0] > 200).mean(0)[::-1] + 0.5
        shift = 0 if rgb is not None and tir is not None else 8.5
        return State(np.array([*(center - 8.5 + [shift, 0]), 17, 17]))


def test_groups_and_directions_count_alike(compare, footage, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare, "load_trackers", lambda arguments: {"X": ShiftedTracker()})
    monkeypatch.setattr(compare, "warm_up", lambda trackers: None)
    file, image = tmp_path / "out.json", tmp_path / "out.png"
    compare.main(
        [
            *("--data", f"both=plain:{footage / 'both'}"),
            *("--data", f"tir={footage / 'thermal.yaml'}:{footage / 'tir'}"),
            *("--backward", "--json", str(file), "--picture", str(image)),
        ]
    )
    document = json.loads(file.read_text())
    runs = document["runs"]
    assert list(runs["both"]) == ["ride", "walk", "ride backward", "walk backward"]
    assert set(runs["both"]["walk"]) == {"X both", "X rgb", "X tir"}
    # With one modality there is nothing to join: its row is that of "both", and not run again.
    assert runs["tir"]["fly"]["X tir"] == runs["tir"]["fly"]["X both"]
    assert set(runs["tir"]["fly"]) == {"X both", "X tir"}
    both, alone = runs["both"]["walk"]["X both"]["ao"], runs["tir"]["fly"]["X both"]["ao"]
    assert both > 0.95 and alone == pytest.approx(1 / 3, abs=0.02)
    for direction in ("forward", "backward", "all"):
        means = document["mean_over_groups"][direction]
        assert set(means) == {"X both", "X tir"}, "the visible view is not in every group"
        assert means["X both"]["ao"] == pytest.approx((both + alone) / 2, abs=0.01)
        assert means["X tir"]["success"] == 0 and means["X tir"]["precision"] == 1
    assert document["groups"]["backward"]["both"]["X both"]["frames"] == 8
    printed = capsys.readouterr().out
    assert "both, backward, 2 runs" in printed and "mean of 2 groups, all" in printed
    assert cv2.imread(str(image)).shape == (6 * 360, 960, 3)


def test_our_tracker_and_those_of_opencv_run_side_by_side(compare, footage, capsys):
    data = ("plain", "--root", str(footage / "both"), "--sequences", "walk", "--limit", "3")
    compare.main([*data, "--tracker", "matching", "--opencv", "MIL", "Nothing"])
    printed = capsys.readouterr().out
    assert "Nothing is not in this OpenCV" in printed
    table = printed.partition("mean of 1 group, forward")[2]
    names = [f"{name} {view}" for name in ("matching", "MIL") for view in ("both", "rgb", "tir")]
    for name in names:
        assert name in table
    assert "rate of matching both over MIL both" in printed


def test_no_sequences_are_refused(compare):
    for arguments, message in (([], "no sequences"), (["plain"], "give --root")):
        with pytest.raises(ValueError, match=message):
            compare.main(arguments)
