"""Every engine gives what torch gives, for every question that a tracker asks."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fusion_modules import FUSIONS
from rgbt_track import load_tracker
from rgbt_track.config.tracker import AnchorConfig, Config, ModelConfig, TrackingConfig
from rgbt_track.models.build import build_network
from rgbt_track.models.engines.batches import BatchEngine, search_many
from rgbt_track.models.engines.choice import choose_engine
from rgbt_track.models.engines.create import create_engine
from rgbt_track.models.engines.graphs import Graph
from rgbt_track.models.engines.interface import Engine
from rgbt_track.models.engines.onnx_graphs import onnx_model
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.tracking.tracker import Tracker

RUNTIMES = ("openvino", "onnxruntime")
TEMPLATE, SEARCH, WIDE = 79, 119, 159

TINY: dict[str, Any] = {
    "backbone": "lite",
    "backbone_args": {"widths": [4, 6, 8], "blocks": [1, 1]},
    "pixels": "imagenet",
    "neck_channels": 8,
    "head_channels": 6,
}
ANCHOR_FREE = {**TINY, "head": "anchor_free", "anchors": AnchorConfig(ratios=(1.0,), scales=(6.0,))}


def tiny_config(model: dict[str, Any]) -> Config:
    tracking = TrackingConfig(template_size=TEMPLATE, search_size=SEARCH, threads=1)
    return Config("tiny", ModelConfig(**model), tracking)


def engines(model: dict[str, Any], runtime: str) -> tuple[Engine, Engine]:
    """Torch's engine and another one of the same network."""
    config = tiny_config(model)
    network = lively_network(config)
    return TorchEngine(network, threads=1), create_engine(network, config, engine=runtime)


def lively_network(config: Config) -> RGBTNetwork:
    """A network whose features keep their size from layer to layer, so that nothing is noise."""
    network = build_network(config.model, seed=0)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
    return prepare_for_inference(network)


def crops(size: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 256, (1, 3, size, size)).astype(np.float32) for name in ("rgb", "tir")
    }


def assert_same(responses: dict[str, Any], expected: dict[str, Any], share: float = 1e-4) -> None:
    """Equal to a share of the range of the values."""
    assert list(responses) == list(expected)
    for name, response in responses.items():
        for part, other in zip(response, expected[name], strict=True):
            assert np.ptp(other) > 0.1
            np.testing.assert_allclose(part, other, atol=share * np.ptp(other), rtol=0)


@pytest.fixture(scope="module", params=[TINY, ANCHOR_FREE], ids=["rpn", "anchor_free"])
def model(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture(scope="module", params=RUNTIMES)
def pair(request: pytest.FixtureRequest, model: dict[str, Any]) -> tuple[Engine, Engine]:
    return engines(model, request.param)


@pytest.mark.parametrize("size", [SEARCH, WIDE])
def test_responses_to_both_modalities(pair: tuple[Engine, Engine], size: int) -> None:
    reference, engine = pair
    expected = reference.search(reference.template(crops(TEMPLATE)), crops(size, 1))
    assert tuple(expected) == ("rgb", "tir", "fused")
    assert_same(engine.search(engine.template(crops(TEMPLATE)), crops(size, 1)), expected)


@pytest.mark.parametrize("name", ["rgb", "tir"])
def test_responses_to_one_modality(pair: tuple[Engine, Engine], name: str) -> None:
    reference, engine = pair
    template, search = crops(TEMPLATE), crops(SEARCH, 1)
    expected = reference.search(reference.template(template), {name: search[name]})
    assert set(expected) == {name}
    assert_same(engine.search(engine.template(template), {name: search[name]}), expected)
    alone = engine.template({name: template[name]})
    assert set(alone) == {name}
    assert_same(engine.search(alone, {name: search[name]}), expected)
    assert_same(engine.search(alone, search), expected)


def test_a_branch_without_a_template_stays_silent(pair: tuple[Engine, Engine]) -> None:
    engine = pair[1]
    template = engine.template(crops(TEMPLATE))
    whole = engine.search(template, crops(SEARCH, 1))
    del template["tir"]
    responses = engine.search(template, crops(SEARCH, 1))
    assert_same(responses, {name: whole[name] for name in ("rgb", "fused")})


@pytest.mark.parametrize("names", [("rgb", "tir"), ("tir",)])
def test_blended_templates(pair: tuple[Engine, Engine], names: tuple[str, ...]) -> None:
    responses = []
    for engine in pair:
        first = engine.template(crops(TEMPLATE))
        present = engine.template({name: crops(TEMPLATE, 2)[name] for name in names})
        blended = engine.blend(first, present, 0.3)
        assert set(blended) == {"rgb", "tir", "fused"}
        again = engine.blend(blended, present, 0.3)
        responses.append(engine.search(again, crops(SEARCH, 1)))
    assert_same(responses[1], responses[0])
    assert set(pair[1].blend({"tir": first["tir"]}, first, 0.5)) == {"tir"}


@pytest.mark.parametrize("names", [("rgb", "tir"), ("tir",)])
def test_a_batch_of_targets(pair: tuple[Engine, Engine], names: tuple[str, ...]) -> None:
    """Three targets that are alike and one with a larger crop: each as if it were alone."""
    targets = [
        ({name: crops(TEMPLATE, seed)[name] for name in names},
         {name: crops(size, seed + 9)[name] for name in names})
        for seed, size in enumerate((SEARCH, SEARCH, WIDE, SEARCH))
    ]  # fmt: skip
    for engine in pair:
        assert isinstance(engine, BatchEngine)
        templates = [engine.template(template) for template, _ in targets]
        found = search_many(engine, templates, [search for _, search in targets])
        for template, (_, search), responses in zip(templates, targets, found, strict=True):
            assert_same(responses, engine.search(template, search), share=1e-5)


def test_outputs_are_the_callers(pair: tuple[Engine, Engine]) -> None:
    """A later frame does not write into the arrays of an earlier one."""
    engine = pair[1]
    template = engine.template(crops(TEMPLATE))
    response = engine.search(template, crops(SEARCH, 1))["rgb"]
    kept = response.cls.copy()
    engine.template(crops(TEMPLATE, 3))
    engine.search(template, crops(SEARCH, 4))
    np.testing.assert_array_equal(response.cls, kept)


@pytest.mark.parametrize(
    "branches", [("rgb",), ("tir",), ("fused",), ("rgb", "tir"), ("rgb", "fused")], ids="+".join
)
def test_every_choice_of_branches(branches: tuple[str, ...]) -> None:
    reference, engine = engines({**TINY, "branches": branches}, "onnxruntime")
    for names in (("rgb", "tir"), ("rgb",), ("tir",)):
        template = {name: crops(TEMPLATE)[name] for name in names}
        search = {name: crops(SEARCH, 1)[name] for name in names}
        expected = reference.search(reference.template(template), search)
        assert_same(engine.search(engine.template(template), search), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_exports(fusion: str) -> None:
    model = {**TINY, "backbone_args": {"widths": [4, 4, 8], "blocks": [1]}}
    reference, engine = engines({**model, "branches": ("fused",), "fusion": fusion}, "onnxruntime")
    expected = reference.search(reference.template(crops(TEMPLATE)), crops(SEARCH, 1))
    assert_same(engine.search(engine.template(crops(TEMPLATE)), crops(SEARCH, 1)), expected)


def test_deeper_levels_of_timm_are_resized_for_any_crop() -> None:
    backbone = {"backbone": "timm:efficientnet_lite0", "backbone_args": {"stages": [2, 3]}}
    model = {**ANCHOR_FREE, **backbone, "pixels": "signed", "branches": ("rgb",)}
    reference, engine = engines(model, "openvino")
    template = engine.template(crops(TEMPLATE))
    for size in (SEARCH, WIDE):
        expected = reference.search(reference.template(crops(TEMPLATE)), crops(size, 1))
        assert_same(engine.search(template, crops(size, 1)), expected)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bf16_is_near(engine: str) -> None:
    config = tiny_config(TINY)
    network = lively_network(config)
    exact = TorchEngine(network, threads=1)
    expected = exact.search(exact.template(crops(TEMPLATE)), crops(SEARCH, 1))
    rough = create_engine(network, config, engine=engine, precision="bf16")
    template = rough.template(crops(TEMPLATE))
    responses = rough.search(rough.blend(template, template, 0.5), crops(SEARCH, 1))
    assert responses["fused"].cls.dtype == np.float32
    assert_same(responses, expected, share=0.02)


def test_a_tracker_follows_the_same_boxes() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 2, 120, 160, 3), dtype=np.uint8)
    config = tiny_config(TINY)
    boxes = []
    for name in ("torch", *RUNTIMES):
        network = lively_network(config)
        tracker = Tracker(create_engine(network, config, engine=name), config)
        state = tracker.init(*frames[0], [60, 50, 30, 20])
        path = []
        for rgb, tir in frames[1:]:
            state = tracker.update(rgb, tir, state)
            path.append(state.box)
        boxes.append(path)
    for path in boxes[1:]:
        np.testing.assert_allclose(path, boxes[0], atol=0.01)


def test_auto_is_the_fastest_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_engine("auto", "fp32", "cpu") == "openvino"
    assert choose_engine("auto", "bf16", "cpu:0") == "openvino"
    assert choose_engine("auto", "fp32", "cpu", is_learned=False) == "torch"
    assert choose_engine("auto", "fp32", "cuda:1") == "torch"
    gone: set[str] = set()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name not in gone)
    for missing, expected in (
        ({"openvino"}, "onnxruntime"),
        ({"openvino", "onnxruntime"}, "torch"),
        ({"onnx"}, "torch"),
    ):
        gone = missing
        assert choose_engine("auto", "fp32", "cpu") == expected
        assert choose_engine("auto", "bf16", "cpu") == "torch", "ONNX Runtime has no bf16"


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rgbt-track\[onnx\]'"):
        load_tracker("lrrtrack_lite", engine="onnxruntime")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rgbt-track\[openvino\]'"):
        load_tracker("lrrtrack_lite", engine="openvino")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "openvno"}, "unknown engine 'openvno', did you mean 'openvino'"),
        ({"precision": "fp16"}, "unknown precision 'fp16', did you mean 'bf16'|'fp32'"),
        ({"engine": "onnxruntime", "precision": "bf16"}, "has no bf16; these have: torch, openvi"),
        ({"precision": "int8"}, "rgbt-track export NAME OUT --precision int8"),
        ({"engine": "openvino", "device": "meta"}, "runs on the CPU; for device 'meta' use torch"),
    ],
)
def test_what_cannot_run_is_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_engine(**{"engine": "auto", "precision": "fp32", "device": "cpu", **arguments})


def test_the_matching_head_is_torchs() -> None:
    with pytest.raises(ValueError, match="does not run the matching head"):
        load_tracker("matching", engine="onnxruntime")


def test_a_network_that_cannot_be_written_says_so_in_one_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Odd(nn.Module):
        def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor]:
            return (torch.linalg.svdvals(rgb),)

    graph = Graph(Odd().eval(), {"rgb": torch.ones(1, 3, 4, 4)}, ("rgb_level0",))
    with pytest.raises(ValueError, match=r"cannot be written as ONNX .* engine 'torch'") as caught:
        onnx_model(graph)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""
