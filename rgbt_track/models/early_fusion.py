"""Fusion before the backbone: both crops become one fused picture, which one branch sees.

The luminance of the visible crop and the thermal crop go through an image-fusion network such as
LRRNet, each scaled by its own range, and so is the output, as the authors' code does with images;
the visible crop keeps its chroma (YCbCr). The scaling is by the crop's range, where fusing a whole
frame takes the frame's. The image network is frozen: it belongs to the weights of the tracker, but
no stage trains it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fusion_modules.image import ImageFusion, min_max, optimize_for_cpu
from rgbt_track.modalities import MODALITIES

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class EarlyFusion(nn.Module):
    """Crops "rgb" and "tir" -> one crop "rgb", of the same size and range.

    Where only one modality is there, its crop is the picture. The image network is kept in
    evaluation mode and without gradients.
    """

    luma: Tensor

    def __init__(self, network: ImageFusion) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.fast: nn.Module | None = None
        self.register_buffer("luma", torch.tensor(_LUMA).view(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> EarlyFusion:
        """Set the mode; the image network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def optimize(self) -> None:
        """Take the image network's form that is fast on a CPU, with the present weights."""
        self.fast = optimize_for_cpu(self.network)

    def forward(self, crops: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Crops (B, 3, X, X) in 0..255 -> {"rgb": the fused picture}."""
        if len(crops) < len(MODALITIES):
            return {"rgb": next(iter(crops.values()))}
        visible = (crops["rgb"] * self.luma).sum(1, keepdim=True)
        infrared = crops["tir"].mean(1, keepdim=True)
        with torch.no_grad():
            network = self.network if self.fast is None or visible.is_cuda else self.fast
            fused = min_max(network(min_max(visible), min_max(infrared))) * 255
        # The luminance is replaced, the differences to it (the chroma) stay.
        return {"rgb": (crops["rgb"] - visible + fused).clamp(0, 255)}
