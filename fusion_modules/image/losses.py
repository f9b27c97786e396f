"""The losses of the image networks (LRRNet, eq. 10-14), as the authors' code normalises them.

With VGG-16 features F1..F4 (relu1_2, relu2_2, relu3_3, relu4_3) of the fused picture f, the visible
one v and the infrared one i, all in 0..255::

    pixel   = 10   * || f - v ||^2
    shallow = 1.5  * || F1_f - F1_v ||^2
    middle  = sum over k = 2, 3 of beta_k * || Fk_f - (3 Fk_i + 0.5 Fk_v) ||^2,  beta = 0.01, 0.5
    deep    = 2000 * || G(F4_f) - G(F4_i) ||^2,   G(F) = F F^T / (C H W)

Every squared norm is the **mean** over all elements. The fused picture is scaled by its own range
before (min-max, then times 255), the sources enter as they are; grey is repeated to three channels
and nothing is subtracted, as in the authors' code and unlike ImageNet's convention.

LRCFuse adds a Sobel term and LWC-DenseFuse a reconstruction in stages. Only their abstracts are
public, so what stands here for both is ours: the Sobel target is, at every pixel, the stronger of
both sources' gradients; the reconstruction is the pixel loss of each source after itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion_modules.base import require_same_shape
from fusion_modules.loss import gram

TERMS = ("pixel", "shallow", "middle", "deep", "sobel")


@dataclass(frozen=True)
class ImageLossWeights:
    """The constants of eq. 10-14, and ``sobel`` of LRCFuse. A term of weight 0 is not computed."""

    pixel: float = 10.0
    shallow: float = 1.5
    middle: float = 1.0
    deep: float = 2000.0
    sobel: float = 0.0
    middle_blocks: tuple[float, ...] = (0.01, 0.5)
    middle_infrared: float = 3.0
    middle_visible: float = 0.5

    def __post_init__(self) -> None:
        if len(self.middle_blocks) != 2:
            raise ValueError(f"middle_blocks is {self.middle_blocks!r}; expected two numbers")


class ImageFusionLoss(nn.Module):
    """Eq. 10 over four feature maps.

    ``features`` gives the four maps of (B, 3, H, W) pictures in 0..255, shallow to deep: VGG-16's
    blocks in the paper. It is frozen and kept in eval mode. ``rescale=False`` compares the output
    as it is, times 255: for crops of pictures, whose own range says nothing.
    """

    features: nn.Module

    def __init__(
        self,
        features: nn.Module,
        weights: ImageLossWeights | None = None,
        *,
        rescale: bool = True,
    ) -> None:
        super().__init__()
        self.rescale = rescale
        self.features = features.eval().requires_grad_(False)
        self.weights = weights or ImageLossWeights()

    def train(self, mode: bool = True) -> ImageFusionLoss:
        """Like any module's, except that the features stay in eval mode."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, fused: Tensor, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        """Output (B, 1, H, W) of any range and sources in 0..255 -> scalars by term, and ``total``.

        Each term contains its factor. It is computed in single precision, also under autocast.
        Raises ``ValueError`` for shapes that differ.
        """
        require_same_shape("fused", fused, "visible", visible)
        require_same_shape("fused", fused, "infrared", infrared)
        with torch.autocast(fused.device.type, enabled=False):
            fused, visible, infrared = (_precise(x) for x in (fused, visible, infrared))
            fused = scaled_255(fused) if self.rescale else fused * 255
            terms = self._terms(fused, visible, infrared)
        return {**terms, "total": torch.stack(list(terms.values())).sum()}

    def _terms(self, fused: Tensor, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        weights, terms = self.weights, {}
        if weights.pixel:
            terms["pixel"] = weights.pixel * F.mse_loss(fused, visible)
        if weights.shallow or weights.middle or weights.deep:
            terms |= self._feature_terms(fused, visible, infrared)
        if weights.sobel:
            target = torch.maximum(sobel_strength(visible), sobel_strength(infrared))
            terms["sobel"] = weights.sobel * F.mse_loss(sobel_strength(fused), target)
        if not terms:
            raise ValueError(f"every weight of the loss is 0; give one of {', '.join(TERMS)}")
        return terms

    def _feature_terms(self, fused: Tensor, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        weights, terms = self.weights, {}
        f1, f2, f3, f4 = self._features(fused)
        with torch.no_grad():
            v1, v2, v3, _ = self._features(visible)
            _, i2, i3, i4 = self._features(infrared)
        if weights.shallow:
            terms["shallow"] = weights.shallow * F.mse_loss(f1, v1)
        if weights.middle:
            w_i, w_v = weights.middle_infrared, weights.middle_visible
            beta2, beta3 = weights.middle_blocks
            second = F.mse_loss(f2, w_i * i2 + w_v * v2)
            third = F.mse_loss(f3, w_i * i3 + w_v * v3)
            terms["middle"] = weights.middle * (beta2 * second + beta3 * third)
        if weights.deep:
            terms["deep"] = weights.deep * F.mse_loss(gram(f4), gram(i4))
        return terms

    def _features(self, pictures: Tensor) -> list[Tensor]:
        maps = self.features(pictures.expand(-1, 3, -1, -1))
        if len(maps) != 4:
            raise ValueError(f"the feature module gave {len(maps)} maps; the loss needs 4")
        return list(maps)


def reconstruction_loss(reconstructed: Tensor, source: Tensor) -> Tensor:
    """Mean squared error in 0..255 of a picture that went through the network on its own.

    ``reconstructed`` is the output for a source given as both inputs, in [0, 1]; ``source`` the
    picture in 0..255.
    """
    return F.mse_loss(_precise(reconstructed) * 255, _precise(source))


def scaled_255(fused: Tensor) -> Tensor:
    """Each picture scaled by its own range to 0..255, as the loss of the authors' code has it.

    A constant picture, which has no range, becomes 0 and gets no gradient through its scale.
    """
    low = fused.amin(dim=(1, 2, 3), keepdim=True)
    high = fused.amax(dim=(1, 2, 3), keepdim=True)
    return (fused - low) / (high - low + 1e-5) * 255


def sobel_strength(pictures: Tensor) -> Tensor:
    """|gx| + |gy| by Sobel's operators over mirrored borders: (B, 1, H, W) -> (B, 1, H, W)."""
    across = pictures.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([across, across.T]).unsqueeze(1)  # (2, 1, 3, 3)
    padded = F.pad(pictures, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, kernels).abs().sum(dim=1, keepdim=True)


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
