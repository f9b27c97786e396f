"""A bank of fixed filters in the backbone's place: nothing in it is learned.

Per cell: the gradient's strength in a few directions, normalized by its surroundings (the idea of
HOG, Dalal and Triggs, CVPR 2005), brightness, and two opponent colors. Opposite directions have
channels of their own instead of a sign, so that averaging two modalities of opposite contrast does
not cancel their edges.

Pixels are pooled into cells by a triangle of side 2 s - 1 at stride s without padding: cell i is
centered on pixel s (i + 1) - 1, as in the learned backbones (for s = 8, on the very same grid).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_track.models.interface import Backbone

_NOISE_GRADIENT = 0.02  # gradients below this, in units of white, are noise


class FilterBank(Backbone):
    """Crops (B, 3, X, X) of RGB in 0..1 -> one level (B, directions + 3, N, N).

    Args:
        stride: pixels between cells, s; X should be s n - 1.
        directions: directions of the gradient, around the whole circle.
        brightness, color: weights of these channels beside the gradients'.
    """

    directions: Tensor
    triangle: Tensor
    color_filters: Tensor

    def __init__(
        self,
        stride: int = 8,
        directions: int = 8,
        brightness: float = 4.0,
        color: float = 4.0,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.channels = (directions + 3,)
        angles = torch.arange(directions) * (2 * math.pi / directions)
        ramp = 1 - (torch.arange(1, 2 * stride) - stride).abs() / stride
        color_filters = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]])
        scale = torch.tensor([brightness, color, color])
        self._constant("directions", torch.stack([angles.cos(), angles.sin()], 1)[..., None, None])
        self._constant("triangle", torch.outer(ramp, ramp)[None, None] / stride**2)
        self._constant("color_filters", (color_filters * scale[:, None])[..., None, None])

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        edges = self._pool(self._edges(x.mean(1, keepdim=True)))
        strength = F.avg_pool2d(
            edges.square().sum(1, keepdim=True), 3, 1, padding=1, count_include_pad=False
        )
        edges = edges / (strength + _NOISE_GRADIENT**2).sqrt()
        return [torch.cat([edges, self._pool(F.conv2d(x, self.color_filters))], 1)]

    def _edges(self, gray: Tensor) -> Tensor:
        """(B, 1, X, X) -> (B, directions, X, X): gradient length, shared among near directions."""
        padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
        across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
        down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
        gradient = torch.cat([across, down], 1)
        along = F.relu(F.conv2d(gradient, self.directions))
        return along.square() / (gradient.square().sum(1, keepdim=True).sqrt() + 1e-6)

    def _pool(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = self.triangle.expand(channels, -1, -1, -1)
        return F.conv2d(x, weight, stride=self.stride, groups=channels)
