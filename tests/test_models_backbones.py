"""What every backbone must hold: one grid of stride s, centred on the crop, for any crop."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import ResNet50_Weights, resnet50

from rgbt_track.models.backbones.filters import FilterBank
from rgbt_track.models.backbones.lite import LiteBackbone
from rgbt_track.models.backbones.resnet import ResNet50
from rgbt_track.models.grid import grid_cells


def randomised(network: nn.Module, seed: int) -> nn.Module:
    """Batch norms with statistics that matter, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.3, 0.7),
                (module.bias, -0.2, 0.2),
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
            ):
                assert values is not None
                values.data.uniform_(low, high, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def backbones() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    built = {"resnet50": ResNet50(), "lite": LiteBackbone(), "two": LiteBackbone((8, 8, 8), (1, 2))}
    return {name: randomised(module, 1) for name, module in built.items()}


def levels_of(backbone: nn.Module, x: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return backbone(x)


@pytest.mark.parametrize("name", ["resnet50", "lite", "two"])
def test_shapes(backbones: dict[str, nn.Module], name: str) -> None:
    backbone = backbones[name]
    for size, cells in ((255, 31), (127, 15)):
        assert grid_cells(size) == cells
        levels = levels_of(backbone, torch.rand(1, 3, size, size))
        assert [level.shape[1] for level in levels] == list(backbone.channels)  # type: ignore[arg-type]
        assert all(level.shape[2:] == (cells, cells) for level in levels)


@pytest.mark.parametrize("name", ["resnet50", "lite", "two"])
@pytest.mark.parametrize("axis", [2, 3])
def test_grid_is_centred(backbones: dict[str, nn.Module], name: str, axis: int) -> None:
    """A mirrored network must see in a mirrored crop the mirrored features, at every level."""
    mirrored = copy.deepcopy(backbones[name])
    for module in mirrored.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.flip(axis)
    x = torch.rand(1, 3, 127, 127)
    for one, other in zip(
        levels_of(backbones[name], x), levels_of(mirrored, x.flip(axis)), strict=True
    ):
        torch.testing.assert_close(other.flip(axis), one, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["resnet50", "lite"])
def test_eight_pixels_are_one_cell(backbones: dict[str, nn.Module], name: str) -> None:
    """The first level, away from the borders, whose padding is no part of the content."""
    scene = torch.rand(1, 3, 255, 263)
    left = levels_of(backbones[name], scene[..., :255])[0]
    right = levels_of(backbones[name], scene[..., 8:])[0]
    inner = slice(11, 20)
    torch.testing.assert_close(
        right[..., inner, 11:19], left[..., inner, 12:20], atol=1e-4, rtol=1e-4
    )
    assert not torch.allclose(right[..., inner, 11:19], left[..., inner, 11:19], atol=1e-2)


def test_lite_gathers_the_outputs_of_its_blocks(backbones: dict[str, nn.Module]) -> None:
    """Levels are concatenations: the last 8 channels of each are what the next block saw."""
    backbone = backbones["two"]
    x = torch.rand(2, 3, 63, 63)
    first, second = levels_of(backbone, x)
    with torch.inference_mode():
        stem = backbone.get_submodule("stem")(x)
        outputs = [stem]
        for block in backbone.get_submodule("blocks").children():
            outputs.append(block(outputs[-1]))
    torch.testing.assert_close(first, outputs[1])
    torch.testing.assert_close(second, torch.cat(outputs[2:], 1))


@pytest.mark.parametrize("stride", [4, 8])
def test_filters_are_centred_and_shift_with_the_scene(stride: int) -> None:
    bank = FilterBank(stride=stride)
    scene = torch.rand(1, 3, 127, 127 + stride)
    (left,), (right,) = bank(scene[..., :127]), bank(scene[..., stride:])
    cells = grid_cells(127, stride)
    assert left.shape == (1, 11, cells, cells)
    torch.testing.assert_close(right[..., 2:-3], left[..., 3:-2], atol=1e-5, rtol=1e-4)
    (mirrored,) = bank(scene[..., :127].flip(3))
    order = [4, 3, 2, 1, 0, 7, 6, 5, 8, 9, 10]  # directions mirrored at the vertical axis
    torch.testing.assert_close(mirrored[:, order].flip(3), left, atol=1e-5, rtol=1e-4)


def test_filters_have_nothing_to_learn_or_to_save() -> None:
    bank = FilterBank()
    assert not list(bank.parameters())
    assert not bank.state_dict()


def test_edges_of_opposite_contrast_do_not_cancel() -> None:
    scene = torch.rand(1, 3, 127, 127)
    bank = FilterBank()
    (one,), (other,) = bank(scene), bank(1 - scene)
    edges = (one + other)[:, :8] / 2
    torch.testing.assert_close(edges.sum(1), one[:, :8].sum(1), atol=1e-4, rtol=1e-3)


@pytest.fixture(scope="module")
def torchvision_state() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return randomised(resnet50(weights=None), 4).state_dict()


def test_torchvision_weights_do_here_what_they_do_there(
    torchvision_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layer 1 is the same; layer 2 strides over odd cells here and even ones there."""
    asked = []

    def state_dict(self: ResNet50_Weights, **options: object) -> dict[str, Tensor]:
        asked.append(self)
        return torchvision_state

    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", state_dict)
    ours, theirs = ResNet50(), resnet50(weights=None)
    ours.init_from_torchvision("IMAGENET1K_V2")
    assert asked == [ResNet50_Weights.IMAGENET1K_V2]
    theirs.load_state_dict(torchvision_state)
    ours.eval()
    theirs.eval()
    x = torch.rand(1, 64, 31, 31)
    with torch.inference_mode():
        first = ours.layer1(x)
        torch.testing.assert_close(first, theirs.layer1(x))
        second = ours.layer2[0](first)
        shifted = theirs.layer2[0](first[..., 1:, 1:])
    torch.testing.assert_close(second[..., 1:, 1:], shifted[..., 1:15, 1:15], atol=1e-5, rtol=1e-4)
    wide = ours.layer4[0].downsample[0].weight
    torch.testing.assert_close(
        wide[..., 1, 1], torchvision_state["layer4.0.downsample.0.weight"][..., 0, 0]
    )
    around = torch.ones(3, 3, dtype=torch.bool)
    around[1, 1] = False
    assert not wide[..., around].any()


def test_torchvision_weights_by_a_wrong_name() -> None:
    backbone = ResNet50()
    before = backbone.conv1.weight.clone()
    with pytest.raises(ValueError, match="IMAGENET1K_V1, IMAGENET1K_V2"):
        backbone.init_from_torchvision("IMAGENET")
    backbone.init_from_torchvision(None)
    torch.testing.assert_close(backbone.conv1.weight, before)
