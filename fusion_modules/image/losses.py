"""The losses of the image networks (LRRNet, eq. 10-14), as the authors' code normalizes them.

With VGG-16 features F1..F4 (relu1_2, relu2_2, relu3_3, relu4_3) of the fused image f, the visible
one v and the infrared one i, all in 0..255::

    pixel   = 10   * || f - v ||^2
    shallow = 1.5  * || F1_f - F1_v ||^2
    middle  = sum over k = 2, 3 of beta_k * || Fk_f - (3 Fk_i + 0.5 Fk_v) ||^2,  beta = 0.01, 0.5
    deep    = 2000 * || G(F4_f) - G(F4_i) ||^2,   G(F) = F F^T / (C H W)

Every squared norm is the **mean** over all elements. The fused image is first scaled by its own
range (min-max, then times 255), the sources are not; gray is repeated to three channels without
ImageNet's normalization, as in the authors' code.

LRCFuse adds a Sobel term and LWC-DenseFuse a reconstruction in stages. Only their abstracts are
public; the definitions here are ours: the Sobel target is, at every pixel, the stronger of both
sources' gradients; the reconstruction is the pixel loss of each source given as both inputs.
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
    """The constants of eq. 10-14, and LRCFuse's Sobel term. A term of weight 0 is not computed.

    Args:
        pixel: weight of the pixel term.
        shallow: weight of the shallow term.
        middle: weight of the middle term.
        deep: weight of the deep term.
        sobel: weight of the Sobel term.
        middle_blocks: beta of the two blocks of the middle term.
        middle_infrared: factor of the infrared image in the target of the middle term.
        middle_visible: factor of the visible image there.
    """

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

    ``features`` gives the four maps of (B, 3, H, W) images in 0..255, shallow to deep: VGG-16's
    blocks in the paper. It is frozen and kept in eval mode. ``rescale=False`` compares the output
    times 255, not scaled by its range: for crops of images, whose own range has no meaning.
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
        """Set the mode; the feature module stays in eval mode."""
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
            fused, visible, infrared = (_at_least_fp32(x) for x in (fused, visible, infrared))
            fused = scaled_255(fused) if self.rescale else fused * 255
            weights, terms = self.weights, {}
            if weights.pixel:
                terms["pixel"] = weights.pixel * F.mse_loss(fused, visible)
            if weights.shallow or weights.middle or weights.deep:
                f1, f2, f3, f4 = self._features(fused)
                with torch.no_grad():
                    v1, v2, v3, _ = self._features(visible)
                    _, i2, i3, i4 = self._features(infrared)
            if weights.shallow:
                terms["shallow"] = weights.shallow * F.mse_loss(f1, v1)
            if weights.middle:
                w_i, w_v = weights.middle_infrared, weights.middle_visible
                beta2, beta3 = weights.middle_blocks
                block2 = F.mse_loss(f2, w_i * i2 + w_v * v2)
                block3 = F.mse_loss(f3, w_i * i3 + w_v * v3)
                terms["middle"] = weights.middle * (beta2 * block2 + beta3 * block3)
            if weights.deep:
                terms["deep"] = weights.deep * F.mse_loss(gram(f4), gram(i4))
            if weights.sobel:
                target = torch.maximum(sobel_strength(visible), sobel_strength(infrared))
                terms["sobel"] = weights.sobel * F.mse_loss(sobel_strength(fused), target)
        if not terms:
            raise ValueError(f"every weight of the loss is 0; give one of {', '.join(TERMS)}")
        return {**terms, "total": torch.stack(list(terms.values())).sum()}

    def _features(self, images: Tensor) -> list[Tensor]:
        maps = self.features(images.expand(-1, 3, -1, -1))
        if len(maps) != 4:
            raise ValueError(f"the feature module gave {len(maps)} maps; the loss needs 4")
        return list(maps)


def reconstruction_loss(reconstructed: Tensor, source: Tensor) -> Tensor:
    """Mean squared error in 0..255 of an image that the network was given as both inputs.

    ``reconstructed`` is the output, in [0, 1]; ``source`` the image, in 0..255.
    """
    return F.mse_loss(_at_least_fp32(reconstructed) * 255, _at_least_fp32(source))


def scaled_255(fused: Tensor) -> Tensor:
    """Each image scaled by its own range to 0..255, as in the loss of the authors' code.

    A constant image becomes 0 and gets no gradient through its scale.
    """
    low = fused.amin(dim=(1, 2, 3), keepdim=True)
    high = fused.amax(dim=(1, 2, 3), keepdim=True)
    return (fused - low) / (high - low + 1e-5) * 255


def sobel_strength(images: Tensor) -> Tensor:
    """|gx| + |gy| by Sobel's operators over mirrored borders: (B, 1, H, W) -> (B, 1, H, W)."""
    kernel_x = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([kernel_x, kernel_x.T]).unsqueeze(1)  # (2, 1, 3, 3)
    padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, kernels).abs().sum(dim=1, keepdim=True)


def _at_least_fp32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
