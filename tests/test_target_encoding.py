"""The target's box in the template crop: its maps, and who is told it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from test_engines import assert_same, lively_network

from rgbt_track.config.tracker import AnchorConfig, Config, ModelConfig, TrackingConfig
from rgbt_track.models.build import build_network
from rgbt_track.models.engines.create import create_engine
from rgbt_track.models.engines.interface import InputCrops, Template
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.target_planes import target_planes
from rgbt_track.tracking.tracker import Tracker

CONFIG = Config(
    "tiny",
    ModelConfig(
        backbone="lite",
        backbone_args={"widths": [4, 6, 8], "blocks": [1, 1]},
        pixels="imagenet",
        neck_channels=8,
        head="anchor_free",
        head_channels=6,
        anchors=AnchorConfig(ratios=(1.0,), scales=(6.0,)),
        target_encoding=True,
    ),
    TrackingConfig(template_size=79, search_size=119, threads=1),
)


def crops(size: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 256, (1, 3, size, size)).astype(np.float32) for name in ("rgb", "tir")
    }


def target(*box: float) -> np.ndarray:
    return np.array([box], np.float32)


def test_planes_against_counted_pixels() -> None:
    """A box on whole pixels: the share of a cell's pixels that it covers, by counting them."""
    cells, stride = 5, 8
    x, y, w, h = 3, -2, 18, 10  # from x -6 to 12, from y -7 to 3
    image = np.zeros((cells * stride, cells * stride))
    middle = cells * stride // 2
    image[middle + y - h // 2 : middle + y + h // 2, middle + x - w // 2 : middle + x + w // 2] = 1
    expected = image.reshape(cells, stride, cells, stride).mean((1, 3))
    boxes = torch.tensor([[x, y, w, h], [0.0, 0.0, 400.0, 400.0]])
    planes = target_planes(boxes, cells, stride, reference=20.0)
    assert planes.shape == (2, 3, cells, cells)
    np.testing.assert_allclose(planes[0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(planes[0, 1], np.full((cells, cells), np.log(18 / 20)), atol=1e-6)
    np.testing.assert_allclose(planes[0, 2], np.full((cells, cells), np.log(10 / 20)), atol=1e-6)
    assert (planes[1, 0] == 1).all()


@pytest.fixture(scope="module")
def reference() -> TorchEngine:
    return TorchEngine(lively_network(CONFIG), threads=1)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("names", [("rgb", "tir"), ("tir",)])
def test_engines_agree(reference: TorchEngine, runtime: str, names: tuple[str, ...]) -> None:
    engine = create_engine(reference.network, CONFIG, engine=runtime)
    template = {name: crops(79)[name] for name in names}
    search = {name: crops(119, 1)[name] for name in names}
    box = target(1, -2, 30, 50)
    expected = reference.search(reference.template(template, box), search)
    found = engine.search(engine.template(template, box), search)
    assert_same(found, expected)
    with pytest.raises(ValueError, match="told the target's box"):
        engine.template(template)


def test_the_box_changes_the_answer_and_must_be_given(reference: TorchEngine) -> None:
    def answer(box: np.ndarray) -> Any:
        return reference.search(reference.template(crops(79), box), crops(119, 1))["fused"]

    tall, wide = answer(target(0, 0, 20, 50)), answer(target(0, 0, 50, 20))
    assert np.abs(tall.loc - wide.loc).max() > 1e-2 < np.abs(tall.cls - wide.cls).max()
    with pytest.raises(ValueError, match="told the target's box"):
        reference.template(crops(79))


class Listener(TorchEngine):
    """Keeps the boxes that it is told."""

    def template(self, crops: InputCrops, target: Any = None) -> Template:
        self.told = [*getattr(self, "told", []), target]
        return super().template(crops, target)


@pytest.mark.parametrize("shape", [(240, 320), (60, 50)])
def test_the_tracker_tells_where_the_target_is_in_the_crop(shape: tuple[int, int]) -> None:
    """Back from the crop to the image, the box is the one that the user drew."""
    engine = Listener(prepare_for_inference(build_network(CONFIG.model, seed=0)), threads=1)
    tracker = Tracker(engine, CONFIG)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    box = np.array([20.3, 15.6, 22.0, 31.0])
    state = tracker.init(frame, frame[..., 0], box)
    region = tracker.geometry.template_region(state)
    told = engine.told[0][0].astype(float)
    told[:2] += region.size / 2
    told[:2] -= told[2:] / 2
    np.testing.assert_allclose(region.crop_to_image(told), box, atol=1e-3)


def test_it_needs_the_anchor_free_head() -> None:
    model = replace(CONFIG.model, head="rpn")
    with pytest.raises(ValueError, match="target_encoding needs the head 'anchor_free'"):
        build_network(model)
