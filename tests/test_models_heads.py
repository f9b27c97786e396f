"""Neck, correlation and RPN against loop-written twins."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rgbt_track.models.heads.rpn import MultiRPN, depthwise_correlation
from rgbt_track.models.neck import Neck, center_crop


def slow_correlation(search: Tensor, kernel: Tensor) -> Tensor:
    batch, channels, h, w = kernel.shape
    rows, columns = search.shape[2] - h + 1, search.shape[3] - w + 1
    out = torch.zeros(batch, channels, rows, columns)
    for item in range(batch):
        for channel in range(channels):
            for row in range(rows):
                for column in range(columns):
                    patch = search[item, channel, row : row + h, column : column + w]
                    out[item, channel, row, column] = (patch * kernel[item, channel]).sum()
    return out


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_depthwise_correlation(batch: int, layout: torch.memory_format) -> None:
    torch.manual_seed(batch)
    search = torch.randn(batch, 4, 9, 8).contiguous(memory_format=layout)
    kernel = torch.randn(batch, 4, 3, 5).contiguous(memory_format=layout)
    expected = slow_correlation(search, kernel)
    torch.testing.assert_close(depthwise_correlation(search, kernel), expected)


def test_correlation_keeps_channels_last() -> None:
    search = torch.randn(2, 4, 9, 9).contiguous(memory_format=torch.channels_last)
    out = depthwise_correlation(search, torch.randn(2, 4, 3, 3))
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_multi_rpn_averages_its_levels_by_softmaxed_weights() -> None:
    torch.manual_seed(0)
    head = MultiRPN([6, 8], [4, 5], anchors=3).eval()
    head.cls_weight.data = torch.tensor([0.0, 2.0])
    head.loc_weight.data = torch.tensor([-1.0, 0.5])
    template = [torch.randn(2, c, 7, 7) for c in (6, 8)]
    search = [torch.randn(2, c, 15, 15) for c in (6, 8)]
    cls, loc = head(head.kernels(template), search)
    assert cls.shape == (2, 6, 9, 9)
    assert loc.shape == (2, 12, 9, 9)
    for answer, task, weight in ((cls, "cls", head.cls_weight), (loc, "loc", head.loc_weight)):
        expected = torch.zeros_like(answer)
        for index, (t, s) in enumerate(zip(template, search, strict=True)):
            part = getattr(getattr(head, f"rpn{index + 2}"), task)
            response = slow_correlation(part.conv_search(s), part.conv_kernel(t))
            share = weight[index].exp() / weight.exp().sum()
            expected = expected + share * part.head(response)
        torch.testing.assert_close(answer, expected, atol=1e-4, rtol=1e-4)


def test_neck_gives_each_level_its_channels() -> None:
    neck = Neck([3, 5], [4, 8]).eval()
    levels = neck([torch.randn(1, 3, 6, 6), torch.randn(1, 5, 6, 6)])
    assert [level.shape for level in levels] == [(1, 4, 6, 6), (1, 8, 6, 6)]
    assert "downsample3.downsample.1.running_var" in neck.state_dict()


def test_center_crop_takes_pysots_cells() -> None:
    level = torch.arange(15.0).expand(1, 1, 15, 15)
    (crop,) = center_crop([level], 7)
    assert crop.shape == (1, 1, 7, 7)
    assert crop[0, 0, 0].tolist() == [4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("cells", [8, 17])
def test_center_crop_refuses_what_has_no_centre(cells: int) -> None:
    with pytest.raises(ValueError, match=f"template_cells {cells} .* of 15 cells"):
        center_crop([torch.zeros(1, 1, 15, 15)], cells)
