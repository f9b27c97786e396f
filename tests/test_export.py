"""Exported trackers: written whole, the same as torch, and enough for a program without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from rgbt_track import load_tracker
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.evaluation.trackers import describe_tracker
from rgbt_track.io.images import read_rgb, read_tir
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import save_weights
from rgbt_track.models.engines.export import write_export
from rgbt_track.models.engines.exported import FORMATS, read_export
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.tracking.tracker import Tracker

CONFIG = from_mapping(
    Config,
    {
        "name": "tiny",
        "model": {
            "backbone": "lite",
            "backbone_args": {"widths": [8, 8, 16], "blocks": [1]},
            "pixels": "imagenet",
            "neck_channels": 16,
            "head_channels": 16,
        },
        "tracking": {"template_size": 79, "search_size": 119, "threads": 1},
    },
    "test",
)


@pytest.fixture(scope="module")
def network() -> RGBTNetwork:
    return build_network(CONFIG.model, seed=0)


@pytest.fixture(scope="module")
def folders(network: RGBTNetwork, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Format -> an export in it."""
    around = tmp_path_factory.mktemp("exports")
    for name in FORMATS:
        assert write_export(around / name, network, CONFIG, name).difference < 1e-4
    return {name: around / name for name in FORMATS}


def boxes(tracker: Tracker) -> np.ndarray:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 2, 100, 120, 3), dtype=np.uint8)
    state = tracker.init(*frames[0], [40, 30, 30, 20])
    path = []
    for rgb, tir in frames[1:]:
        state = tracker.update(rgb, tir, state)
        path.append([*state.box, state.score])
    return np.array(path)


@pytest.mark.parametrize(
    ("format", "engine"),
    [
        ("onnx", "auto"),
        ("onnx", "openvino"),
        ("openvino", "auto"),
        ("torch", "torch"),
        ("torch", "auto"),
    ],
)
def test_an_export_tracks_as_its_network_does(
    network: RGBTNetwork, folders: dict[str, Path], format: str, engine: str
) -> None:
    tracker = load_tracker(folders[format], engine=engine)
    assert tracker.config == CONFIG
    reference = Tracker(build_network(CONFIG.model, seed=0), CONFIG)
    np.testing.assert_allclose(boxes(tracker), boxes(reference), atol=0.01)


def test_states_pass_between_trackers_of_the_same_weights_alone(folders: dict[str, Path]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 100, 120, 3), dtype=np.uint8)
    first, same, other = (
        Tracker(build_network(CONFIG.model, seed=seed), CONFIG) for seed in (0, 0, 1)
    )
    exported, again = (load_tracker(folders["onnx"], engine=name) for name in ("auto", "openvino"))
    for tracker, like, others in (
        (first, same, (other, exported)),
        (exported, again, (first, load_tracker(folders["openvino"]))),
    ):
        state = tracker.init(*frames, [40, 30, 30, 20])
        boxes = [each.update(*frames, state).box for each in (tracker, like)]
        np.testing.assert_allclose(*boxes, atol=0.01)
        for unlike in others:
            with pytest.raises(ValueError, match="the state is of another tracker"):
                unlike.update(*frames, state)


def test_graphs_share_one_copy_of_their_weights(folders: dict[str, Path]) -> None:
    files = {path.name: path.stat().st_size for path in folders["onnx"].iterdir()}
    stored = (folders["torch"] / "network.safetensors").stat().st_size
    assert files["weights.bin"] < 1.2 * stored
    assert len([name for name in files if name.endswith(".onnx")]) == 6


def test_the_description_names_inputs_and_outputs(folders: dict[str, Path]) -> None:
    graphs = json.loads((folders["onnx"] / "export.json").read_text())["graphs"]
    search = graphs["search"]
    assert list(search["inputs"])[:3] == ["rgb", "tir", "rgb_kernel0_cls"]
    assert search["outputs"] == [
        f"{branch}_{part}" for branch in ("rgb", "tir", "fused") for part in ("cls", "loc")
    ]
    assert graphs["search_single"]["outputs"] == ["cls", "loc"]
    assert graphs["template"]["inputs"] == {"rgb": [1, 3, 79, 79], "tir": [1, 3, 79, 79]}


def test_bf16_is_what_the_folder_says(network: RGBTNetwork, tmp_path: Path) -> None:
    write_export(tmp_path / "rough", network, CONFIG, "torch", "bf16")
    assert read_export(tmp_path / "rough").precision == "bf16"
    tracker = load_tracker(tmp_path / "rough", engine="torch")
    assert str(tracker.engine.dtype) == "torch.bfloat16"  # type: ignore[attr-defined]


def test_results_know_their_export(folders: dict[str, Path]) -> None:
    stamps = [describe_tracker(str(folders[name])) for name in FORMATS]
    assert all(stamp["tracker"] == "tiny" for stamp in stamps)
    assert len({stamp["weights_sha256"] for stamp in stamps}) == len(FORMATS)


def test_weights_files_and_run_folders_are_trackers(network: RGBTNetwork, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", network, CONFIG)
    for name in (tmp_path, tmp_path / "weights.safetensors"):
        tracker = load_tracker(name, engine="torch")
        assert tracker.config == CONFIG
        expected = network.state_dict()["rpn_head.cls_weight"]
        found = tracker.engine.network.state_dict()["rpn_head.cls_weight"]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "torch"}, "was exported as onnx, which 'torch' does not run"),
        ({"precision": "bf16"}, "was exported with its weights, in fp32"),
        ({"weights": "other.safetensors"}, "was exported with its weights, in fp32"),
        ({"engine": "auto", "device": "meta"}, "does not work on this computer|runs on the CPU"),
    ],
)
def test_what_an_export_cannot_be_is_refused(
    folders: dict[str, Path], arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_tracker(folders["onnx"], **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_exported_tracker_runs_without_torch(folders: dict[str, Path], format: str) -> None:
    code = (
        "import sys, numpy as np; from rgbt_track import load_tracker\n"
        "import rgbt_track.commands.track\n"
        f"tracker = load_tracker({str(folders[format])!r})\n"
        "frames = np.random.default_rng(0).integers(0, 256, (3, 2, 100, 120, 3), dtype=np.uint8)\n"
        "state = tracker.init(*frames[0], [40, 30, 30, 20])\n"
        "state = tracker.update(*frames[2], tracker.update(*frames[1], state))\n"
        "print(*state.box, state.score, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *values, has_torch = done.stdout.split()
    assert has_torch == "False"
    expected = boxes(load_tracker(folders["torch"], engine="torch"))[-1]
    np.testing.assert_allclose([float(value) for value in values], expected, atol=0.01)


def test_a_damaged_export_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text('{"format": "onnx"}')
    with pytest.raises(ValueError, match=r"export\.json: damaged: KeyError 'precision'"):
        load_tracker(tmp_path)
    text = (folders["onnx"] / "export.json").read_text()
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(ValueError, match=r"weights\.bin is missing; export the tracker again"):
        load_tracker(tmp_path)
    (tmp_path / "export.json").write_text(text.replace('"format": "onnx"', '"format": "onx"'))
    with pytest.raises(ValueError, match="unknown format 'onx', did you mean 'onnx'"):
        load_tracker(tmp_path)


def test_a_difference_leaves_nothing(
    network: RGBTNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rgbt_track.models.engines.export._TOLERANCE", {"bf16": 1e-7})
    with pytest.raises(ValueError, match="answers otherwise than torch"):
        write_export(tmp_path / "out", network, CONFIG, "torch", "bf16")
    assert not list(tmp_path.iterdir())


def test_a_program_without_torch_tracks(run: Run, tmp_path: Path) -> None:
    """The script of the documentation gives the boxes of the tracker itself, to a pixel and a half.

    It cuts its crops by another OpenCV function, which rounds otherwise.
    """
    export, scenes = tmp_path / "lite", tmp_path / "scenes"
    assert run("export", "lrrtrack_lite", export)[0] == 0
    assert run("data", "synthesize", scenes, "--count", "1", "--frames", "6", "--seed", "3")[0] == 0
    folder = next(path for path in scenes.iterdir() if path.is_dir())
    first = (folder / "groundtruth.txt").read_text().split()[0]
    script = Path(__file__).parents[1] / "docs" / "track_with_onnxruntime.py"
    code = (
        "import runpy, sys; sys.modules.update(dict.fromkeys(['torch', 'rgbt_track']));"
        "sys.argv.pop(0); runpy.run_path(sys.argv[0])"
    )
    arguments = [script, export, folder / "color", folder / "ir", first]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path = np.loadtxt(done.stdout.splitlines(), delimiter=",")
    exported = load_tracker(export)
    tracking = replace(exported.settings, decision="fixed", wide_search_size=0)
    tracker = Tracker(exported.engine, replace(exported.config, tracking=tracking))
    state = None
    for index, box in enumerate(path):
        color, thermal = (sorted((folder / name).iterdir())[index] for name in ("color", "ir"))
        frames = read_rgb(color), read_tir(thermal)
        if state is None:
            state = tracker.init(*frames, np.array(first.split(","), float))
        state = tracker.update(*frames, state)
        np.testing.assert_allclose(box, state.box, atol=1.5)
    assert len(path) == 6


def test_the_command(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    assert "taken exists; give" in run("export", "lrrtrack_lite", tmp_path / "taken")[2]
    out = tmp_path / "lite"
    assert "did you mean 'onnx'" in run("export", "lrrtrack_lite", out, "--format", "onx")[2]
    status, output, _ = run("export", "lrrtrack_lite", out, "--format", "torch")
    assert status == 0
    difference = float(re.search(r"largest difference to torch: (\S+)", output).group(1))
    assert difference < 1e-5, "the same network, up to the rounding of another thread count"
    assert "is exported already" in run("export", out, tmp_path / "again")[2]
