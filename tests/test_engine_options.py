"""``--engine`` and ``--precision`` reach the tracker from every place that can start one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run

from rgbt_track.evaluation.trackers import TrackerSource, describe_tracker
from rgbt_track.models.engines.graph_engine import GraphEngine
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.tracking.tracker import Tracker
from rgbt_track.vot import process
from rgbt_track.vot.registry import tracker_section


def test_sources_of_evaluations() -> None:
    by_torch = TrackerSource("matching", engine="torch").load("cpu")
    by_onnx = TrackerSource("lrrtrack_lite", engine="onnxruntime").load("cpu")
    assert isinstance(by_torch, Tracker) and isinstance(by_torch.engine, TorchEngine)
    assert isinstance(by_onnx, Tracker) and isinstance(by_onnx.engine, GraphEngine)
    with pytest.raises(ValueError, match="its factory knows them"):
        TrackerSource("package.module:factory", engine="torch").load("cpu")


def test_results_of_another_precision_are_another_trackers() -> None:
    assert describe_tracker("matching") == describe_tracker("matching", precision="fp32")
    assert describe_tracker("matching") != describe_tracker("matching", precision="bf16")


def test_the_vot_process_reads_what_its_section_says(monkeypatch: pytest.MonkeyPatch) -> None:
    _, section = tracker_section("matching", engine="torch", precision="bf16")
    for key, value in section.items():
        if key.startswith("env_RGBT"):
            monkeypatch.setenv(key.removeprefix("env_"), value)
    tracker, fault = process._load()
    assert fault is None and tracker is not None
    assert isinstance(tracker.engine, TorchEngine)
    assert str(tracker.engine.dtype) == "torch.bfloat16"
    assert "env_RGBT_ENGINE" not in tracker_section("matching")[1]
    with pytest.raises(ValueError, match="did you mean 'torch'"):
        tracker_section("matching", engine="trch")


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "plain", "--root", ".", "--tracker", "matching", "--no-plots"),
        ("track", "--rgb", "day/color", "--box", "1,2,3,4", "--tracker", "matching"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_wrong_name_is_refused_before_anything_is_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for folder in ("color", "ir"):
        (tmp_path / "day" / folder).mkdir(parents=True)
        for name in ("1.png", "2.png"):
            cv2.imwrite(str(tmp_path / "day" / folder / name), image)
    (tmp_path / "day" / "groundtruth.txt").write_text("10,10,8,8\n" * 2)
    status, _, error = run(*arguments, "--engine", "openvno")
    assert (status, error.count("\n")) == (1, 1)
    assert "unknown engine 'openvno', did you mean 'openvino'?" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day"]
