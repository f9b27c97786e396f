"""The anchor-free head: its correlation against loops, and the form of its response."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rgbt_track.config.tracker import AnchorConfig, ModelConfig
from rgbt_track.models.anchors import decode_offsets
from rgbt_track.models.build import build_network
from rgbt_track.models.heads.anchor_free import AnchorFreeHead, pixelwise_correlation
from rgbt_track.pairs.point_targets import PointTargets


def test_pixelwise_correlation_against_loops() -> None:
    torch.manual_seed(0)
    search, kernel = torch.randn(2, 4, 9, 9), torch.randn(2, 4, 3, 3)
    maps = pixelwise_correlation(search, kernel)
    assert maps.shape == (2, 9, 7, 7)
    for item in range(2):
        for row in range(7):
            for column in range(7):
                cell = search[item, :, row + 1, column + 1]
                for index in range(9):
                    product = (cell * kernel[item, :, index // 3, index % 3]).mean()
                    torch.testing.assert_close(maps[item, index, row, column], product)


def head(levels: int = 1, **options: Any) -> AnchorFreeHead:
    torch.manual_seed(1)
    return AnchorFreeHead([6] * levels, [8] * levels, template_cells=5, **options).eval()


def response(module: AnchorFreeHead, levels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    template = [torch.randn(2, 6, 5, 5) for _ in range(levels)]
    search = [torch.randn(2, 6, 11, 11) for _ in range(levels)]
    return module(module.kernels(template), search)


@pytest.mark.parametrize("levels", [1, 2])
def test_response_has_the_form_of_one_anchor(levels: int) -> None:
    cls, loc = response(head(levels), levels)
    assert cls.shape == (2, 2, 7, 7) and loc.shape == (2, 4, 7, 7)


def test_before_training_every_box_is_the_anchor_and_background_is_likely() -> None:
    module = head()
    for out in (module.cls_out, module.loc_out):
        torch.nn.init.zeros_(out.weight)
    cls, loc = response(module)
    torch.testing.assert_close(loc, torch.zeros_like(loc))
    assert (cls[:, 1] < cls[:, 0]).all()


def test_offsets_are_the_distances_to_the_four_sides() -> None:
    """A cell at (16, -8) that sees 10, 20, 30 and 40 pixels to left, top, right and bottom."""
    module, side = head(), 48.0
    torch.nn.init.zeros_(module.loc_out.weight)
    sides = torch.tensor([10.0, 20.0, 30.0, 40.0])
    module.loc_out.bias.data = (sides / (side / 2)).log()
    offsets = response(module)[1][0, :, 0, 0]
    box = decode_offsets(offsets, torch.tensor([16.0, -8.0, side, side]))
    expected = [16 + (30 - 10) / 2, -8 + (40 - 20) / 2, 10 + 30, 20 + 40]
    torch.testing.assert_close(box, torch.tensor(expected))


@pytest.mark.parametrize("levels", [1, 2])
def test_box_features_tell_search_crops_apart_that_correlate_alike(levels: int) -> None:
    """A kernel of zeros sees nothing: what is left of a difference comes from the features."""
    for options, differs in (({}, False), ({"box_features": True}, True)):
        module = head(levels, tower=0, **options)
        kernels = [(torch.zeros_like(a), torch.zeros_like(b)) for a, b in _kernels(module, levels)]
        (cls_a, loc_a), (cls_b, loc_b) = (
            module(kernels, [torch.randn(1, 6, 11, 11) for _ in range(levels)]) for _ in range(2)
        )
        assert torch.equal(cls_a, cls_b)
        assert torch.equal(loc_a, loc_b) is not differs


def test_box_features_lie_on_the_grid_of_the_response() -> None:
    """A change of one search cell moves the boxes within its two 3x3 neighbourhoods alone."""
    module = head(tower=0, box_features=True)
    kernels = [(torch.zeros_like(a), torch.zeros_like(b)) for a, b in _kernels(module, 1)]
    search = torch.randn(1, 6, 11, 11)
    changed = search.clone()
    changed[..., 5, 7] += 1.0  # the cell right of the center by two
    moved = (module(kernels, [search])[1] != module(kernels, [changed])[1])[0].any(0)
    rows, columns = torch.nonzero(moved, as_tuple=True)
    center = (rows.float().mean().item(), columns.float().mean().item())
    assert center == (3, 5) and len(rows) == 9  # of 7x7 cells, the middle one is (3, 3)


def test_folding_leaves_the_response_as_it_is() -> None:
    module = head(2, tower=4, box_features=True)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_mean, -1, 1)  # type: ignore[arg-type]
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    kernels, search = _kernels(module, 2), [torch.randn(1, 6, 11, 11) for _ in range(2)]
    before = module(kernels, search)
    for part in [*module.cls, *module.loc]:
        part.fold()  # type: ignore[operator]
    for folded, plain in zip(module(kernels, search), before, strict=True):
        torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-5)


def test_head_args_reach_the_head() -> None:
    model = ModelConfig(
        backbone="lite",
        neck_channels=8,
        head_channels=8,
        head="anchor_free",
        anchors=AnchorConfig(ratios=(1.0,), scales=(6.0,)),
        head_args={"tower": 3, "box_features": True},
    )
    module = build_network(model, seed=0).fused_rpn_head
    assert isinstance(module, AnchorFreeHead) and len(module.loc_tower) == 3
    assert module.loc[0].features is True and module.cls[0].features is False


@pytest.mark.parametrize(
    ("head_name", "arguments", "message"),
    [
        ("anchor_free", {"towers": 3}, "head_args of 'anchor_free'.*towers"),
        ("anchor_free", {"tower": 99}, "tower is 99; expected 0 to 16"),
        ("anchor_free", {"planes": 2}, "head_args of 'anchor_free'.*planes"),
        ("rpn", {"tower": 2}, "head_args of 'rpn'.*tower"),
    ],
)
def test_wrong_head_args_are_named(head_name: Any, arguments: Any, message: str) -> None:
    anchors = AnchorConfig(ratios=(1.0,), scales=(6.0,))
    model = ModelConfig(backbone="lite", head=head_name, anchors=anchors, head_args=arguments)
    with pytest.raises(ValueError, match=message):
        build_network(model, seed=0)


def _kernels(module: AnchorFreeHead, levels: int) -> Any:
    return module.kernels([torch.randn(1, 6, 5, 5) for _ in range(levels)])


def test_every_parameter_learns() -> None:
    module = head(box_features=True).train()
    cls, loc = response(module)
    (cls.sum() + loc.sum()).backward()
    missing = [name for name, p in module.named_parameters() if p.grad is None]
    assert not missing


def test_targets_and_head_share_the_grid() -> None:
    """The cell of the highest label is the one whose anchor lies on the target's center."""
    targets = PointTargets(AnchorConfig(stride=8, ratios=(1.0,), scales=(6.0,)), 7)
    rng = np.random.default_rng(0)
    result = targets.assign((16.0, -8.0, 20.0, 20.0), False, rng)
    assert result.labels.shape == (1, 7, 7) and result.loc.shape == (4, 1, 7, 7)
    assert result.labels[0, 2, 5] == 1  # row 3 - 1, column 3 + 2
    np.testing.assert_allclose(result.loc[:, 0, 2, 5], [0, 0, *np.log([20 / 48] * 2)], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_point_targets_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = PointTargets(AnchorConfig(stride=8, ratios=(1.0,), scales=(6.0,)), 9)
    x, y = rng.uniform(-20, 20, 2)
    w, h = rng.uniform(24, 60, 2)
    labels = targets.assign((x, y, w, h), False, rng).labels[0]
    for row in range(9):
        for column in range(9):
            dx, dy = abs((column - 4) * 8 - x) / w, abs((row - 4) * 8 - y) / h
            expected = 1 if max(dx, dy) < 0.25 else -1 if max(dx, dy) < 0.5 else 0
            assert labels[row, column] == expected
    negative = targets.assign((x, y, w, h), True, rng)
    assert (negative.labels == 0).all()


def test_a_small_target_between_cells_is_taught_by_the_nearest_cell() -> None:
    targets = PointTargets(AnchorConfig(stride=8, ratios=(1.0,), scales=(6.0,)), 9)
    labels = targets.assign((3.0, 3.0, 4.0, 4.0), False, np.random.default_rng(0)).labels[0]
    assert labels.sum() == 1 and labels[4, 4] == 1
    far = targets.assign((200.0, 0.0, 4.0, 4.0), False, np.random.default_rng(0)).labels[0]
    assert (far == 0).all()
