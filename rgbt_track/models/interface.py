"""The types every part of the network shares: levels, kernels, responses, backbones, heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from torch import Tensor, nn

Levels: TypeAlias = list[Tensor]
"""One feature map (B, C, H, W) per level, shallow to deep."""

BranchKernels: TypeAlias = list[tuple[Tensor, Tensor]]
"""The template side of a head: per level the (cls, loc) correlation kernels (B, C, h, w)."""

Kernels: TypeAlias = dict[str, BranchKernels]
"""Branch name -> its kernels: computed once per template, opaque to the tracker."""


class Response(NamedTuple):
    """Response of one branch to a search crop.

    ``cls`` (B, 2 k, S, S) holds logits in pysot's order (2, k): first k channels background, last
    k target. ``loc`` (B, 4 k, S, S) in order (4, k) holds dx, dy in units of the anchor's width
    and height, then log width and log height over the anchor's.
    """

    cls: Tensor
    loc: Tensor


class Backbone(nn.Module):
    """Crops (B, 3, X, X) in its own pixel convention -> one feature map per level.

    All levels share one grid: cell i is centered on pixel ``stride * (i + 1) - 1`` of the crop, so
    that crops of ``stride * n - 1`` pixels give n - 1 cells around their center.

    Args:
        stride: pixels between cells.
        channels: channels of each level, shallow to deep.
    """

    stride: int
    channels: tuple[int, ...]

    def forward(self, x: Tensor) -> Levels:
        """(B, 3, X, X) -> per level (B, C, N, N)."""
        raise NotImplementedError

    def input_convolution(self) -> nn.Conv2d | None:
        """The convolution that takes the crops and nothing else, if there is one.

        The normalization of the pixels is folded into it for inference.
        """
        return None


class Head(nn.Module):
    """A Siamese head in two halves, so that a template's half is computed once."""

    def kernels(self, template: Sequence[Tensor]) -> BranchKernels:
        """Template levels (B, C, h, w) -> per level the (cls, loc) kernels."""
        raise NotImplementedError

    def forward(self, kernels: BranchKernels, search: Sequence[Tensor]) -> Response:
        """Kernels of B templates and levels (B, C, H, W) of B search crops -> one response."""
        raise NotImplementedError
