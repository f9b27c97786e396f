"""A head without weights: normalized cross-correlation of template and search features.

For deterministic demonstrations and as the baseline that every trained tracker should beat. It
responds in the RPN's terms with one anchor: the logit rises with the correlation, and the offset is
the top of the parabola through the neighboring correlations. It measures no change of size.

With a window w over the template (sum 1) and E the mean under it, all channels c together::

    ncc = sum_c E[(t - E t)(s - E s)] / sqrt(sum_c var t * sum_c var s)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_track.models.interface import BranchKernels, Head, Response


class MatchingHead(Head):
    """One level, one anchor: cls (B, 2, S, S), loc (B, 4, S, S) with zero change of size.

    Args:
        anchor_cells: side of the anchor in cells, the unit of the offsets.
        window: standard deviation of the template's Gaussian window, as a share of its side.
        gain, threshold: the logit is ``gain * (ncc - threshold)``.
        least_variance: search windows of less than this share of the template's variance count as
            if they had it: a featureless place matches nothing.
    """

    def __init__(
        self,
        anchor_cells: float,
        window: float = 0.3,
        gain: float = 8.0,
        threshold: float = 0.5,
        least_variance: float = 0.2,
    ) -> None:
        super().__init__()
        self.anchor_cells = anchor_cells
        self.window = window
        self.gain = gain
        self.threshold = threshold
        self.least_variance = least_variance

    def kernels(self, template: Sequence[Tensor]) -> BranchKernels:
        """Per level the windowed, zero-mean template of unit variance, and its variance."""
        kernels = []
        for level in template:
            window = self._window(level)
            centered = level - (level * window).sum((2, 3), keepdim=True)
            variance = (centered.square() * window).sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
            kernels.append((centered * window / variance.sqrt(), variance))
        return kernels

    def forward(self, kernels: BranchKernels, search: Sequence[Tensor]) -> Response:
        levels = zip(kernels, search, strict=True)
        maps = [self._correlate(*kernel, level) for kernel, level in levels]
        ncc = torch.stack(maps).mean(0)
        logit = self.gain * (ncc - self.threshold)
        across, down = _peak_offset(logit), _peak_offset(logit.transpose(2, 3)).transpose(2, 3)
        zeros = torch.zeros_like(logit)
        loc = torch.cat([across / self.anchor_cells, down / self.anchor_cells, zeros, zeros], 1)
        return Response(torch.cat([zeros, logit], 1), loc)

    def _correlate(self, kernel: Tensor, variance: Tensor, search: Tensor) -> Tensor:
        """(B, C, h, w) against (B, C, H, W) -> correlations (B, 1, S, S) in [-1, 1]."""
        batch, channels = kernel.shape[:2]
        flat = search.reshape(1, batch * channels, *search.shape[2:])
        product = F.conv2d(flat, kernel, groups=batch).transpose(0, 1)
        window = self._window(kernel).expand(channels, -1, -1, -1)
        mean = F.conv2d(search, window, groups=channels)
        square = F.conv2d(search.square(), window, groups=channels)
        spread = (square - mean.square()).sum(1, keepdim=True)
        return product / torch.maximum(spread, self.least_variance * variance).sqrt()

    def _window(self, like: Tensor) -> Tensor:
        side = like.shape[-1]
        positions = torch.arange(side, device=like.device, dtype=like.dtype) - (side - 1) / 2
        gaussian = torch.exp(-0.5 * (positions / (self.window * side)).square())
        window = torch.outer(gaussian, gaussian)
        return (window / window.sum())[None, None]


def _peak_offset(logit: Tensor) -> Tensor:
    """Where the parabola through each cell and its left and right neighbor peaks, in cells.

    (B, 1, S, S), within 0.5; zero where a cell is no peak of its row, and at the row's ends.
    """
    left, center, right = logit[..., :-2], logit[..., 1:-1], logit[..., 2:]
    curvature = left + right - 2 * center
    is_peak = (center >= left) & (center >= right) & (curvature < -1e-9)
    offset = 0.5 * (left - right) / curvature.clamp_max(-1e-9)
    return F.pad(torch.where(is_peak, offset, 0.0), (1, 1, 0, 0))
