"""Visual information fidelity (VIF) on the steerable pyramid, not its pixel-domain variant.

H. R. Sheikh, A. C. Bovik, *Image Information and Visual Quality*, TIP 15(2), 2006. Each sub-band is
a Gaussian scale mixture over 3x3 blocks; the distorted band is ``g * reference + noise`` with a
local gain g and noise variance v; visual noise of variance 0.4 is added to both. VIF is the
information that remains divided by that of the reference. The tables of this field use it on images
in **[0, 1]**, where the visual noise, chosen for 0..255, dominates: values depend on that.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion_modules.image.steerable import LEVELS, oriented_bands

SMALLEST_SIDE = 25
"""Rows and columns below which the coarsest level is too small for its filters."""

_BLOCK = 3
_NOISE = 0.4
_TOLERANCE = 1e-15


def vif(reference: Tensor, distorted: Tensor) -> float:
    """VIF of two (H, W) double images in [0, 1]: 1 for equal ones; NaN for a blank reference.

    Raises ``ValueError`` for images smaller than 25x25.
    """
    if min(reference.shape) < SMALLEST_SIDE:
        height, width = reference.shape
        raise ValueError(f"VIF needs images of at least 25x25; got {height}x{width}")
    remaining = total = 0.0
    bands = zip(oriented_bands(reference), oriented_bands(distorted), strict=True)
    for index, (reference_bands, distorted_bands) in enumerate(bands):
        level = LEVELS - index  # counted from the coarsest, 1
        for band, distorted_band in zip(reference_bands, distorted_bands, strict=True):
            height, width = (size // _BLOCK * _BLOCK for size in band.shape)  # whole blocks
            window = slice(height), slice(width)
            band_remaining, band_total = _information(band[window], distorted_band[window], level)
            remaining, total = remaining + band_remaining, total + band_total
    return remaining / total if total > 0 else float("nan")


def _information(band: Tensor, distorted: Tensor, level: int) -> tuple[float, float]:
    """Information in bits that remains of a sub-band, and that was there."""
    window = 2**level + 1
    gain, variance = _distortion(band, distorted, window)
    scale, eigenvalues = _scale_mixture(band)
    # Without the blocks whose windows reach over the border.
    border = -(-(window - 1) // 2 // _BLOCK)
    height, width = scale.shape
    rows, columns = (slice(border, max(size - border, 0)) for size in (height, width))
    gain, variance, scale = (x[rows, columns] for x in (gain, variance, scale))
    signal = scale * eigenvalues.view(-1, 1, 1)  # (9, h, w)
    remaining = torch.log2(1 + gain**2 * signal / (variance + _NOISE)).sum()
    return float(remaining), float(torch.log2(1 + signal / _NOISE).sum())


def _distortion(band: Tensor, distorted: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Gain and noise variance at the center of each block, by regression in a square window."""
    mean_x, mean_y = _local_mean(band, window), _local_mean(distorted, window)
    count = window**2
    covariance = count * (_local_mean(band * distorted, window) - mean_x * mean_y)
    energy_x = (count * (_local_mean(band**2, window) - mean_x**2)).clamp(min=0)
    energy_y = (count * (_local_mean(distorted**2, window) - mean_y**2)).clamp(min=0)
    gain = covariance / (energy_x + _TOLERANCE)
    variance = (energy_y - gain * covariance) / count
    # Degenerate cases in the reference code's order; two of them replace a variance by an *energy*.
    flat_x, flat_y = energy_x < _TOLERANCE, energy_y < _TOLERANCE
    gain, variance = gain.masked_fill(flat_x, 0), torch.where(flat_x, energy_y, variance)
    gain, variance = gain.masked_fill(flat_y, 0), variance.masked_fill(flat_y, 0)
    variance = torch.where(gain < 0, energy_y, variance)
    return gain.clamp(min=0), variance.clamp(min=_TOLERANCE)


def _scale_mixture(band: Tensor) -> tuple[Tensor, Tensor]:
    """The scale field, one value per block, and the eigenvalues of the blocks' covariance."""
    overlapping = F.unfold(band[None, None], _BLOCK)[0]  # (9, every position)
    covariance = torch.cov(overlapping, correction=0)
    blocks = F.unfold(band[None, None], _BLOCK, stride=_BLOCK)[0]  # (9, every block)
    # As in the reference code, the blocks' mean is subtracted for the covariance and not here. The
    # pseudo-inverse is the inverse unless the band is flat, where it gives no signal, and not NaN.
    inverse = torch.linalg.pinv(covariance, hermitian=True)
    scale = (blocks * (inverse @ blocks)).sum(dim=0) / _BLOCK**2
    height, width = (size // _BLOCK for size in band.shape)
    return scale.view(height, width), torch.linalg.eigvalsh(covariance).clamp(min=0)


def _local_mean(values: Tensor, window: int) -> Tensor:
    """Means over the window around the center of each block, mirrored at the edges."""
    padded = F.pad(values[None, None], (window // 2,) * 4, mode="reflect")
    return F.avg_pool2d(padded[..., 1:, 1:], window, stride=_BLOCK)[0, 0]
