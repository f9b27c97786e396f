"""The Siamese region proposal heads of SiamRPN++ (B. Li et al., CVPR 2019).

Per level, template and search features each pass a 3x3 convolution, are correlated channel by
channel, and two 1x1 convolutions read class logits or box offsets off the correlation. Levels are
averaged with learned, softmaxed weights. The template side is a call of its own (``kernels``), so
that a tracker computes it once per template. State-dict keys are pysot's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusion_modules.conv_norm import ConvNorm
from rgbt_track.models.interface import BranchKernels, Head, Response


def depthwise_correlation(search: Tensor, kernel: Tensor) -> Tensor:
    """Correlate each channel of each item with its own kernel, without padding.

    (B, C, H, W) and (B, C, h, w) -> (B, C, H - h + 1, W - w + 1), as a grouped convolution. A
    frame's one or two items go one by one, which keeps a channels_last layout (2x faster there
    than the copy that joining them takes); a training batch goes as one image of B * C channels.
    """
    batch, channels = kernel.shape[:2]
    if batch <= 2:
        items = zip(search.split(1), kernel.transpose(0, 1).split(1, 1), strict=True)
        return torch.cat([F.conv2d(item, weight, groups=channels) for item, weight in items])
    flat = search.reshape(1, batch * channels, *search.shape[2:])
    weight = kernel.reshape(batch * channels, 1, *kernel.shape[2:])
    response = F.conv2d(flat, weight, groups=batch * channels)
    return response.reshape(batch, channels, *response.shape[2:])


class DepthwiseCorrelation(nn.Module):
    """One level, one task: features of template and search -> (B, out, S, S)."""

    def __init__(self, channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.conv_kernel = _convolution(channels, hidden)
        self.conv_search = _convolution(channels, hidden)
        self.head = ConvNorm(
            nn.Conv2d(hidden, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, out_channels, 1),
        )

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:
        """``kernel``: (B, hidden, h, w) from ``conv_kernel``; ``search``: (B, C, H, W)."""
        return self.head(depthwise_correlation(self.conv_search(search), kernel))


class DepthwiseRPN(nn.Module):
    """One level: class logits (B, 2 k, S, S) and offsets (B, 4 k, S, S) for k anchors."""

    def __init__(self, channels: int, hidden: int, anchors: int) -> None:
        super().__init__()
        self.cls = DepthwiseCorrelation(channels, hidden, 2 * anchors)
        self.loc = DepthwiseCorrelation(channels, hidden, 4 * anchors)


class MultiRPN(Head):
    """Heads over several levels, averaged with learned weights.

    ``channels`` and ``hidden`` have one number per level; ``anchors`` is k, the number of
    anchors at a position.
    """

    def __init__(self, channels: Sequence[int], hidden: Sequence[int], anchors: int) -> None:
        super().__init__()
        self.names = [f"rpn{index + 2}" for index in range(len(channels))]
        for name, count, inner in zip(self.names, channels, hidden, strict=True):
            self.add_module(name, DepthwiseRPN(count, inner, anchors))
        self.cls_weight = nn.Parameter(torch.ones(len(channels)))
        self.loc_weight = nn.Parameter(torch.ones(len(channels)))

    def kernels(self, template: Sequence[Tensor]) -> BranchKernels:
        return [
            (rpn.cls.conv_kernel(level), rpn.loc.conv_kernel(level))
            for rpn, level in zip(self._levels(), template, strict=True)
        ]

    def forward(self, kernels: BranchKernels, search: Sequence[Tensor]) -> Response:
        cls, loc = [], []
        for rpn, (cls_kernel, loc_kernel), level in zip(
            self._levels(), kernels, search, strict=True
        ):
            cls.append(rpn.cls(cls_kernel, level))
            loc.append(rpn.loc(loc_kernel, level))
        return Response(_average(cls, self.cls_weight), _average(loc, self.loc_weight))

    def _levels(self) -> list[DepthwiseRPN]:
        return [getattr(self, name) for name in self.names]


def _convolution(channels: int, hidden: int) -> ConvNorm:
    return ConvNorm(
        nn.Conv2d(channels, hidden, 3, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
    )


def _average(levels: Sequence[Tensor], weight: Tensor) -> Tensor:
    shares = torch.softmax(weight, 0)
    return torch.stack([share * level for share, level in zip(shares, levels, strict=True)]).sum(0)
