"""int8: quantized graphs answer nearly as before, keep what must be kept, and say what it cost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import Run
from test_engines import ANCHOR_FREE, SEARCH, TEMPLATE, TINY, crops, lively_network, tiny_config

from rgbt_track import load_tracker
from rgbt_track.models.engines.choice import choose_engine
from rgbt_track.models.engines.export import Trial, write_export
from rgbt_track.models.engines.exported import read_export
from rgbt_track.models.engines.graphs import NetworkGraphs
from rgbt_track.models.engines.interface import Engine
from rgbt_track.models.engines.onnx_graphs import onnx_model
from rgbt_track.models.engines.quantize import RecordingRunner, kept_layers
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.synthetic.dataset import synthesize_sequences
from rgbt_track.tracking.calibration import Clip, read_clips, run_clips, synthetic_clips

CONFIG = tiny_config(TINY)
TOLD = tiny_config({**ANCHOR_FREE, "target_encoding": True})
TARGET = np.array([[1.0, -2, 30, 20]], np.float32)


def noise_clips(count: int = 2) -> list[Clip]:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 2, 100, 120, 3), dtype=np.uint8)
    boxes = np.tile([40.0, 30, 30, 20], (6, 1))
    return [Clip(lambda i: (frames[i, 0], frames[i, 1]), boxes)] * count


@pytest.mark.parametrize("format", ["openvino", "onnx"])
def test_an_int8_export_answers_nearly_as_its_network(format: str, tmp_path: Path) -> None:
    network = lively_network(CONFIG)
    out = tmp_path / "out"
    report = write_export(
        out, network, CONFIG, format, "int8",
        lambda engine: run_clips(engine, CONFIG, noise_clips()),
    ).calibration  # fmt: skip
    assert report is not None and report.frames == 2 * (5 + 2)
    # Boxes in noise are any boxes: another rounding gives others.
    assert all(0 < value < 1 for value in report[:3]) and report.ao_fp32 != report.ao_int8
    assert json.loads((out / "export.json").read_text())["calibration"] == report._asdict()
    assert read_export(out).precision == "int8"
    rough, exact = load_tracker(out).engine, TorchEngine(network, threads=1)
    for names in (("rgb", "tir"), ("tir",)):
        first = {name: crops(TEMPLATE)[name] for name in names}
        search = {name: crops(SEARCH, 1)[name] for name in names}
        expected = exact.search(exact.template(first), search)
        for name, response in rough.search(rough.template(first), search).items():
            exact_cls = expected[name].cls
            off = np.sqrt(np.square(response.cls - exact_cls).mean()) / exact_cls.std()
            assert 1e-4 < off < 0.5, "int8 is near, and it is int8"


def test_a_network_that_is_told_the_target_can_be_quantized(tmp_path: Path) -> None:
    """Its kernels carry the target's size, which graphs slice off."""
    network = lively_network(TOLD)
    out = tmp_path / "out"
    write_export(
        out, network, TOLD, "openvino", "int8",
        lambda engine: run_clips(engine, TOLD, noise_clips(1)),
    )  # fmt: skip
    rough, exact = load_tracker(out).engine, TorchEngine(network, threads=1)
    expected = exact.search(exact.template(crops(TEMPLATE), TARGET), crops(SEARCH, 1))
    actual = rough.search(rough.template(crops(TEMPLATE), TARGET), crops(SEARCH, 1))
    assert tuple(actual) == tuple(expected)
    for name, response in expected.items():
        alike = np.corrcoef(response.loc.ravel(), actual[name].loc.ravel())[0, 1]
        assert alike > 0.7, "random layers, but near"


def test_layers_that_cost_accuracy_are_kept() -> None:
    network = lively_network(CONFIG)
    model = onnx.load_from_string(onnx_model(NetworkGraphs(network, TEMPLATE).make("search")))
    kept = kept_layers(model)
    convolutions = {node.name for node in model.graph.node if node.op_type == "Conv"}
    inside = {name for name in convolutions if "/fusion/" in name}
    assert inside and inside <= set(kept)
    heads = {name for name in convolutions if "/rpn_head/" in name or "/fused_rpn_head/" in name}
    assert len(heads) > 20 and heads <= set(kept)
    assert any(name.endswith("/cls/Conv_1") for name in kept), "a correlation"
    backbone = {name for name in convolutions if "/backbone/" in name}
    assert len(backbone) > 3 and len(backbone & set(kept)) == 1, "the one that sees the pixels"


def test_recorded_inputs_are_evenly_spread() -> None:
    class Nothing:
        def run(self, graph: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return inputs

    recorder = RecordingRunner(Nothing(), limit=4)
    for index in range(19):
        recorder.run("search", {"rgb": np.full(1, index)})
        recorder.run("template", {"rgb": np.full(1, index)})
    assert [int(item["rgb"][0]) for item in recorder.inputs["search"]] == [0, 8, 16]
    assert set(recorder.inputs) == {"search"}


def test_trials_need_a_label_after_the_first() -> None:
    clip = noise_clips(1)[0]
    boxes = clip.boxes.copy()
    boxes[1:] = np.nan
    engine: Engine = TorchEngine(lively_network(CONFIG), threads=1)
    with pytest.raises(ValueError, match="a label after their first frame"):
        run_clips(engine, CONFIG, [Clip(clip.read, boxes)])
    trial = run_clips(engine, CONFIG, [clip])
    assert isinstance(trial, Trial) and trial.boxes.shape == (5 + 2, 4)


def test_sequences_of_the_user_and_synthetic_ones(tmp_path: Path) -> None:
    synthesize_sequences(tmp_path, count=1, frames=5)
    (clip,) = read_clips(tmp_path)
    rgb, tir = clip.read(4)
    assert clip.boxes.shape == (5, 4) and rgb is not None and tir is not None
    first, again = synthetic_clips(2, 3), synthetic_clips(2, 3)
    np.testing.assert_array_equal(first[1].read(2)[0], again[1].read(2)[0])
    assert not np.array_equal(first[0].read(0)[0], first[1].read(0)[0])


def test_int8_is_for_exports(run: Run, tmp_path: Path) -> None:
    assert choose_engine("openvino", "int8", "cpu", is_exported=True) == "openvino"
    with pytest.raises(ValueError, match="needs an exported tracker"):
        choose_engine("openvino", "int8", "cpu")
    out = tmp_path / "out"
    code, _, stderr = run(
        "export", "lrrtrack_lite", out, "--format", "torch", "--precision", "int8"
    )
    assert code == 1 and "'torch' has no int8; these have: onnxruntime, openvino" in stderr
    code, _, stderr = run("export", "lrrtrack_lite", out, "--calibrate", tmp_path)
    assert code == 1 and "--calibrate is for --precision int8, not fp32" in stderr
    assert not out.exists()
