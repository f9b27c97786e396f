"""The engine that runs a network with torch is the network, call by call."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from rgbt_track.config.tracker import ModelConfig
from rgbt_track.models.build import build_network
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.models.inference import prepare_for_inference
from rgbt_track.models.network import RGBTNetwork

BRANCHES = ("rgb", "tir", "fused")


@pytest.fixture(scope="module")
def network() -> RGBTNetwork:
    model = ModelConfig(
        backbone="lite",
        backbone_args={"widths": [4, 6, 8], "blocks": [1, 1]},
        pixels="imagenet",
        neck_channels=8,
        head_channels=6,
    )
    return build_network(model, seed=0).eval()


def crops(size: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 256, (1, 3, size, size)).astype(np.float32) for name in ("rgb", "tir")
    }


def tensors(size: int, seed: int = 0) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(crop) for name, crop in crops(size, seed).items()}


def test_responses_are_the_networks(network: RGBTNetwork) -> None:
    engine = TorchEngine(network)
    responses = engine.search(engine.template(crops(127)), crops(255))
    expected = network(tensors(127), tensors(255)).responses
    assert tuple(responses) == BRANCHES
    for name, response in responses.items():
        assert response.cls.shape == (2, 5, 25, 25) and response.loc.shape == (4, 5, 25, 25)
        cls, loc = (part.detach().numpy() for part in expected[name])
        np.testing.assert_allclose(response.cls.reshape(cls.shape), cls, atol=1e-5)
        np.testing.assert_allclose(response.loc.reshape(loc.shape), loc, atol=1e-5)
        softmax = torch.softmax(torch.from_numpy(response.cls), 0)[1].numpy()
        np.testing.assert_allclose(response.probability, softmax, atol=1e-6)


def test_a_modality_alone_has_its_own_branch_alone(network: RGBTNetwork) -> None:
    engine = TorchEngine(network)
    template, both = engine.template(crops(127)), crops(255)
    whole = engine.search(template, both)
    for name in ("rgb", "tir"):
        alone = engine.template({name: crops(127)[name]})
        assert set(alone) == {name}
        response = engine.search(alone, both)
        assert set(response) == {name}
        np.testing.assert_allclose(response[name].cls, whole[name].cls, atol=1e-5)
        assert set(engine.search(template, {name: both[name]})) == {name}


def test_templates_of_two_calls_are_joined_by_branch(network: RGBTNetwork) -> None:
    """As for a modality that comes late."""
    engine = TorchEngine(network)
    first = engine.template({"rgb": crops(127)["rgb"]})
    joined = {**engine.template(crops(127, seed=1)), **first}
    responses = engine.search(joined, crops(255))
    np.testing.assert_allclose(
        responses["rgb"].cls, engine.search(first, crops(255))["rgb"].cls, atol=1e-5
    )
    assert set(responses) == set(BRANCHES)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_blending_is_of_the_features_before_the_head(network: RGBTNetwork, rate: float) -> None:
    engine = TorchEngine(network)
    first, present = engine.template(crops(127)), engine.template(crops(127, seed=1))
    blended = engine.blend(first, present, rate)
    one, other = (network.template_levels(tensors(127, seed)) for seed in (0, 1))
    levels = {
        name: [(1 - rate) * a + rate * b for a, b in zip(one[name], other[name], strict=True)]
        for name in one
    }
    expected = network.search(network.kernels(levels), tensors(255))
    for name, response in engine.search(blended, crops(255)).items():
        cls = expected[name].cls.detach().numpy()
        np.testing.assert_allclose(response.cls.reshape(cls.shape), cls, atol=1e-5)


def test_a_branch_of_one_side_alone_is_not_blended(network: RGBTNetwork) -> None:
    engine = TorchEngine(network)
    both = engine.template(crops(127))
    thermal = engine.template({"tir": crops(127, seed=1)["tir"]})
    blended = engine.blend(both, thermal, 0.5)
    assert set(blended) == set(BRANCHES)
    assert blended["rgb"] is both["rgb"] and blended["fused"] is both["fused"]
    assert not torch.equal(blended["tir"].levels[0], both["tir"].levels[0])
    assert set(engine.blend(thermal, both, 0.5)) == {"tir"}


@pytest.mark.parametrize("threads", [0, 1])
def test_the_networks_threads_are_its_own_affair(network: RGBTNetwork, threads: int) -> None:
    """Whatever number an engine takes, the program around it keeps its own."""
    engine, counts = TorchEngine(network, threads=threads), []
    handle = network.backbone.register_forward_hook(
        lambda *_: counts.append(torch.get_num_threads())
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine.search(engine.template(crops(127)), crops(255))
        assert counts == [threads or 2] * 2 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        handle.remove()


def test_responses_that_overflow_say_so(network: RGBTNetwork) -> None:
    engine = TorchEngine(prepare_for_inference(copy.deepcopy(network)))
    search = crops(255)
    search["tir"][:] = np.nan
    responses = engine.search(engine.template(crops(127)), search)
    finite = {name: response.is_finite for name, response in responses.items()}
    assert finite == {"rgb": True, "tir": False, "fused": False}
