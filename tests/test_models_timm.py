"""timm's networks as backbones: the package's grid, what learns, and folding."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.tracker import ModelConfig
from rgbt_track.models.backbones.fixed_depthwise import FixedDepthwiseConv2d, fix_depthwise
from rgbt_track.models.backbones.packaged_weights import load_packaged, packaged_file
from rgbt_track.models.backbones.timm_backbone import TimmBackbone
from rgbt_track.models.build import build_network
from rgbt_track.models.inference import prepare_for_inference

NAMES = ["efficientnet_lite0", "resnet18", "mobilenetv3_small_100", "regnetx_002"]


def backbone(name: str, **arguments: object) -> TimmBackbone:
    """With batch norms whose statistics matter, in evaluation mode."""
    torch.manual_seed(0)
    built = TimmBackbone(name, **arguments)  # type: ignore[arg-type]
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
            module.bias.data.normal_(0, 0.1)
    return built.eval()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_every_network_is_on_the_centered_grid(name: str) -> None:
    """A mirrored network must see in a mirrored crop the mirrored features."""
    network = backbone(name)
    mirrored = copy.deepcopy(network)
    for module in mirrored.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.flip(3)
    x = torch.rand(1, 3, 95, 95)
    (level,), (other,) = network(x), mirrored(x.flip(3))
    assert level.shape == (1, *network.channels, 11, 11)
    torch.testing.assert_close(other.flip(3), level, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_the_deeper_level_is_interpolated_between_cell_centers() -> None:
    """Cells of stride 16 lie on every second cell of stride 8, and halfway between."""
    network = backbone("resnet18")
    deep = network.body(torch.zeros(1, 3, 81, 81))[1]
    level = network(F.pad(torch.zeros(1, 3, 81, 81), [7] * 4))[0][:, 128:]
    torch.testing.assert_close(level[..., ::2, ::2], deep)
    between = (deep[..., :, :-1] + deep[..., :, 1:]) / 2
    torch.testing.assert_close(level[..., ::2, 1::2], between)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_folding_removes_every_batch_norm_and_keeps_the_output(name: str) -> None:
    network = backbone(name)
    x = torch.rand(2, 3, 95, 95)
    before = network(x)[0]
    network.fold()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(network(x)[0], before, atol=1e-4, rtol=1e-4)


def test_frozen_stages_and_depthwise_convolutions_never_learn() -> None:
    network = backbone("efficientnet_lite0", frozen_stages=3, fixed_depthwise=True)
    learning = [name for name, p in network.named_parameters() if p.requires_grad]
    assert learning and all(
        name.startswith(("body.blocks.3", "body.blocks.4")) for name in learning
    )
    assert not any("conv_dw" in name for name in learning)
    network.requires_grad_(False).requires_grad_(True)
    assert learning == [name for name, p in network.named_parameters() if p.requires_grad]


def test_batch_norms_keep_their_statistics_in_training() -> None:
    network = backbone("resnet18").train()
    before = copy.deepcopy(network.state_dict())
    network(torch.rand(2, 3, 95, 95))[0].sum().backward()
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_fast_input_gradient_is_that_of_the_convolution(kernel: int) -> None:
    torch.manual_seed(kernel)
    conv = nn.Conv2d(6, 6, kernel, padding=kernel // 2, groups=6, bias=False).double()
    fixed = copy.deepcopy(nn.Sequential(conv))
    fix_depthwise(fixed)
    assert isinstance(fixed[0], FixedDepthwiseConv2d)
    x = torch.randn(2, 6, 9, 11, dtype=torch.double)
    weights = torch.randn(2, 6, 9, 11, dtype=torch.double)
    gradients = []
    for module in (conv, fixed):
        leaf = x.clone().requires_grad_()
        (module(leaf) * weights).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
    assert fixed[0].weight.grad is None


def test_a_whole_network_stands_on_a_timm_backbone_and_folds() -> None:
    values = {
        "backbone": "timm:efficientnet_lite0",
        "pixels": "signed",
        "neck_channels": 16,
        "template_cells": 5,
        "head": "anchor_free",
        "head_channels": 16,
        "anchors": {"stride": 8, "ratios": [1], "scales": [6]},
    }
    network = build_network(from_mapping(ModelConfig, values, "test"), seed=0).eval()
    torch.manual_seed(1)
    sides = [
        {name: torch.rand(1, 3, size, size) * 255 for name in ("rgb", "tir")} for size in (63, 95)
    ]
    with torch.inference_mode():
        before = network(*sides).responses
        after = prepare_for_inference(copy.deepcopy(network))(*sides).responses
    assert set(before) == {"rgb", "tir", "fused"}
    for name, response in before.items():
        assert response.cls.shape == (1, 2, 7, 7) and response.loc.shape == (1, 4, 7, 7)
        for one, other in zip(response, after[name], strict=True):
            torch.testing.assert_close(other, one, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "efficientnet_lite99"}, "unknown timm model 'efficientnet_lite99'; there are"),
        ({"name": "resnet18", "stages": (3,)}, "have strides \\[16\\]; expected the first to be 8"),
        ({"name": "resnet18", "stages": (2, 9)}, "gives no stages \\[2, 9\\]"),
        ({"name": "convnext_atto", "stages": (1,)}, "cells are not centred"),
        ({"name": "resnet18", "frozen_stages": 7}, "frozen_stages is 7"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TimmBackbone(**arguments)  # type: ignore[arg-type]


def test_packaged_weights_are_those_of_the_model() -> None:
    """Loaded by order, so a check by value: the first and the last convolution of the file."""
    tensors = torch.load(packaged_file("efficientnet_lite0"), weights_only=True)
    network = backbone("efficientnet_lite0")
    load_packaged(network)
    torch.testing.assert_close(network.body.conv_stem.weight, next(iter(tensors.values())))
    last = network.body.blocks[4][2].conv_pwl.weight
    matches = [t for t in tensors.values() if t.shape == last.shape and torch.equal(t, last)]
    assert len(matches) == 1


def test_a_model_without_a_package_is_refused() -> None:
    with pytest.raises(ValueError, match="no pip package has weights of 'resnet18'"):
        packaged_file("resnet18")
