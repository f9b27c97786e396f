"""The network's sides and branches: every short cut of the tracker equals the whole forward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rgbt_track.config.tracker import ModelConfig
from rgbt_track.models.build import build_network
from rgbt_track.models.grid import grid_cells
from rgbt_track.models.network import RGBTNetwork

BRANCHES = ("rgb", "tir", "fused")
LITE = {
    "backbone": "lite",
    "backbone_args": {"widths": [6, 8, 8], "blocks": [1, 1, 1]},
    "pixels": "imagenet",
    "neck_channels": 8,
    "head_channels": 6,
}


def lite(**settings: object) -> RGBTNetwork:
    """A tiny network with three levels whose batch norms and fusion are not at their start."""
    network = build_network(ModelConfig(**{**LITE, **settings}), seed=0)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def crops(size: int, batch: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed + size)
    return {
        name: torch.rand(batch, 3, size, size, generator=generator) * 255 for name in ("rgb", "tir")
    }


@pytest.fixture(scope="module")
def network() -> RGBTNetwork:
    return lite()


@pytest.fixture(autouse=True)
def no_gradients() -> object:
    with torch.no_grad():
        yield


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_shapes_of_a_whole_forward(network: RGBTNetwork) -> None:
    out = network(crops(127, 2), crops(255, 2))
    assert tuple(out.responses) == BRANCHES
    for response in out.responses.values():
        assert response.cls.shape == (2, 10, 25, 25)
        assert response.loc.shape == (2, 20, 25, 25)
    for name in BRANCHES:
        assert [level.shape for level in out.search_levels[name]] == [(2, 8, 31, 31)] * 3


@pytest.mark.parametrize("fuse_at", ["neck", "backbone"])
def test_cached_kernels_equal_the_whole_forward(fuse_at: str) -> None:
    network = lite(fuse_at=fuse_at)
    kernels = network.kernels(network.template_levels(crops(127)))
    for seed in range(2):
        searched = network.search(kernels, crops(255, seed=seed))
        whole = network(crops(127), crops(255, seed=seed)).responses
        assert list(searched) == list(whole) == list(BRANCHES)
        for name in BRANCHES:
            close(searched[name].cls, whole[name].cls)
            close(searched[name].loc, whole[name].loc)


@pytest.mark.parametrize("name", ["rgb", "tir"])
def test_a_missing_modality_leaves_the_other_as_it_was(network: RGBTNetwork, name: str) -> None:
    whole = network(crops(127), crops(255)).responses
    template, search = {name: crops(127)[name]}, {name: crops(255)[name]}
    alone = network.search(network.kernels(network.template_levels(template)), search)
    assert list(alone) == [name]
    close(alone[name].cls, whole[name].cls)
    close(alone[name].loc, whole[name].loc)


def test_a_modality_may_vanish_after_the_template(network: RGBTNetwork) -> None:
    kernels = network.kernels(network.template_levels(crops(127)))
    assert list(network.search(kernels, {"tir": crops(255)["tir"]})) == ["tir"]
    some = {name: kernels[name] for name in ("fused",)}
    assert list(network.search(some, crops(255))) == ["fused"]
    assert network.search(some, {"tir": crops(255)["tir"]}) == {}


def test_items_of_a_batch_are_independent(network: RGBTNetwork) -> None:
    together = network(crops(127, 3), crops(255, 3)).responses
    for item in range(3):
        template = {name: crop[item : item + 1] for name, crop in crops(127, 3).items()}
        search = {name: crop[item : item + 1] for name, crop in crops(255, 3).items()}
        for name, alone in network(template, search).responses.items():
            close(together[name].cls[item : item + 1], alone.cls)
            close(together[name].loc[item : item + 1], alone.loc)


def test_the_template_gives_each_modality_as_if_alone(network: RGBTNetwork) -> None:
    both = network.template_levels(crops(127))
    assert tuple(both) == BRANCHES
    for name in ("rgb", "tir"):
        (alone,) = network.template_levels({name: crops(127)[name]}).values()
        assert [level.shape for level in alone] == [(1, 8, 7, 7)] * 3
        for level, other in zip(both[name], alone, strict=True):
            close(level, other)


def test_the_fused_branch_has_its_own_head_and_sees_both(network: RGBTNetwork) -> None:
    assert network.fused_rpn_head is not network.rpn_head
    template, search = crops(127), crops(255)
    fused = network(template, search).responses["fused"].cls
    for name in ("rgb", "tir"):
        changed = {**search, name: search[name].flip(3)}
        assert not torch.allclose(network(template, changed).responses["fused"].cls, fused)


def test_fusion_at_the_neck_sees_the_cropped_template() -> None:
    """The three places where a fusion can stand, told apart by what is fused."""
    for fuse_at, side in (("neck", 7), ("backbone", 15)):
        network = lite(fuse_at=fuse_at)
        shapes = []
        assert network.fusion is not None
        network.fusion.register_forward_hook(
            lambda m, i, o, shapes=shapes: shapes.append(o[0].shape)
        )
        network.template_levels(crops(127))
        assert shapes == [(1, 8, side, side)]


@pytest.mark.parametrize(
    "branches", [("rgb",), ("tir",), ("fused",), ("rgb", "tir"), ("rgb", "fused")]
)
def test_branches_can_be_switched_off(branches: tuple[str, ...]) -> None:
    network = lite(branches=branches)
    parts = {key.split(".")[0] for key in network.state_dict()}
    assert ("fusion" in parts) == ("fused_rpn_head" in parts) == ("fused" in branches)
    assert ("rpn_head" in parts) == (branches != ("fused",))
    assert tuple(network.template_levels(crops(127))) == branches
    out = network(crops(127), crops(255))
    assert tuple(out.responses) == branches
    levels = set(branches) | ({"rgb", "tir"} if "fused" in branches else set())
    assert set(out.search_levels) == levels


def test_levels_before_the_neck_are_given_where_the_fusion_is() -> None:
    sides = crops(127, 2), crops(255, 2)
    at_neck = lite()(*sides)
    assert not at_neck.search_backbone and not at_neck.template_backbone
    assert [m.shape for m in at_neck.template_levels["fused"]] == [(2, 8, 7, 7)] * 3
    network = lite(fuse_at="backbone")
    out = network(*sides)
    for levels, crop, cells in (
        (out.template_backbone, sides[0], 15),
        (out.search_backbone, sides[1], 31),
    ):
        raw = network.backbone(network.input(crop["rgb"]))
        assert set(levels) == {"rgb", "tir", "fused"}
        assert network.fusion is not None
        for level, expected in zip(levels["rgb"], raw, strict=True):
            close(level, expected)
        fused = network.fusion(levels["rgb"], levels["tir"])
        for level, expected in zip(levels["fused"], fused, strict=True):
            close(level, expected)
            assert level.shape[2:] == (cells, cells)


def test_a_branch_that_is_off_costs_no_backbone_pass() -> None:
    network = lite(branches=("rgb",))
    batches = []
    network.backbone.register_forward_hook(lambda m, i, o: batches.append(len(i[0])))
    network.template_levels(crops(127))
    network.template_levels({"tir": crops(127)["tir"]})
    assert batches == [1]


def test_both_modalities_go_through_the_backbone_in_one_batch(network: RGBTNetwork) -> None:
    batches = []
    handle = network.backbone.register_forward_hook(lambda m, i, o: batches.append(len(i[0])))
    network.search(network.kernels(network.template_levels(crops(127))), crops(255))
    handle.remove()
    assert batches == [2, 2]


def test_crops_of_an_unknown_modality(network: RGBTNetwork) -> None:
    with pytest.raises(ValueError, match=r"\['thermal'\]; valid: rgb, tir"):
        network.template_levels({"thermal": crops(127)["tir"]})
    with pytest.raises(ValueError, match="no modality"):
        network.template_levels({})


def test_response_size(network: RGBTNetwork) -> None:
    assert network.response_size() == 25
    out = network(crops(127), crops(287)).responses["rgb"].cls
    assert out.shape[-1] == network.response_size(287) == 29


@pytest.mark.parametrize("size", [256, 100, 7])
def test_sizes_off_the_grid_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"crop size {size} .* 127 or 255"):
        grid_cells(size)


def test_a_search_smaller_than_the_template_is_refused(network: RGBTNetwork) -> None:
    with pytest.raises(ValueError, match="5 cells, fewer than the template's 7"):
        network.response_size(47)
