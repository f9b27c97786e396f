"""The two sub-bands of the steerable pyramid that the VIF measure uses.

A steerable pyramid of order 5 in the spatial domain (E. P. Simoncelli, W. T. Freeman, *The
Steerable Pyramid*, ICIP 1995; filters ``sp5Filters`` of Simoncelli's matlabPyrTools, MIT licence):
a low-pass filter, then at each level six oriented bands, and a low-pass filter with every second
row and column for the next level. VIF uses bands 1 and 4 of the six, whose filters are one
another's transpose; their order and sign cancel out of the measure. Edges mirror without repeating.

The filters are symmetric, so only one corner of each is stored, from its border to its center.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4
_LOW_0 = (
    (0.00341614, -0.01551246, -0.03848215),
    (-0.01551246, 0.05586982, 0.1592557),
    (-0.03848215, 0.1592557, 0.40304148),
)
_LOW = (
    (0.00170808, -0.00489834, -0.00775624, -0.01888864, -0.01924108),
    (-0.00489834, -0.01046562, -0.01322234, 0.008212, 0.02005976),
    (-0.00775624, -0.01322234, 0.02793492, 0.06554076, 0.07962786),
    (-0.01888864, 0.008212, 0.06554076, 0.12852666, 0.16339236),
    (-0.01924108, 0.02005976, 0.07962786, 0.16339236, 0.2019308),
)
_BAND = (  # three rows, then a row of zeros, then their negatives from the last to the first
    (0.00277643, 0.00496194, 0.01026699, 0.01455399),
    (-0.00986904, -0.00893064, 0.01189859, 0.02755155),
    (-0.01021852, -0.03075356, -0.08226445, -0.11732297),
)


def oriented_bands(image: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Bands 1 and 4 at each of four levels, fine to coarse: (H, W) double -> pairs of (h, w)."""
    low_0, low = _complete(_LOW_0), _complete(_LOW)
    half = torch.tensor(_BAND, dtype=torch.float64)
    rows = torch.cat([half, half[:, :-1].flip(1)], dim=1)
    band = torch.cat([rows, torch.zeros_like(rows[:1]), -rows.flip(0)])
    bands = []
    image = _correlate(image, low_0)
    for level in range(LEVELS):
        if level:
            image = _correlate(image, low, step=2)
        bands.append((_correlate(image, band), _correlate(image, band.T)))
    return bands


def _correlate(image: Tensor, kernel: Tensor, step: int = 1) -> Tensor:
    """Correlation over an image that mirrors at its edges without repeating them."""
    radius = kernel.shape[-1] // 2
    padded = F.pad(image[None, None], (radius,) * 4, mode="reflect")
    return F.conv2d(padded, kernel.to(image)[None, None], stride=step)[0, 0]


def _complete(corner: tuple[tuple[float, ...], ...]) -> Tensor:
    """The symmetric filter with this corner."""
    quarter = torch.tensor(corner, dtype=torch.float64)
    half = torch.cat([quarter, quarter[:-1].flip(0)])
    return torch.cat([half, half[:, :-1].flip(1)], dim=1)
