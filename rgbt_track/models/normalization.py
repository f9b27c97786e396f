"""From a crop's pixels to what a backbone was trained on; the one place that knows conventions.

Crops are always RGB floats in 0..255. pysot's networks were trained on BGR 0..255 with nothing
further; torchvision's ImageNet weights on RGB / 255 less the ImageNet mean, over its standard
deviation; EfficientNet-Lite's on (RGB - 127) / 128; the fixed filters want plain RGB / 255. An
infrared crop arrives as three equal channels and is treated alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rgbt_track.resources import check_choice

# name: (flip RGB to BGR, mean per channel in 0..255, standard deviation per channel in 0..255)
PIXELS: dict[str, tuple[bool, tuple[float, ...], tuple[float, ...]]] = {
    "bgr255": (True, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": (False, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "signed": (False, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    "unit": (False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
}


class PixelInput(nn.Module):
    """Crops (B, 3, H, W), RGB 0..255 -> the same shape in the convention ``pixels``.

    Its buffers are not part of a checkpoint: the convention is a setting of the model. Raises
    ``ValueError`` for an unknown convention.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, pixels: str) -> None:
        super().__init__()
        check_choice("unknown pixels", pixels, PIXELS)
        self.pixels = pixels
        self.flip, mean, std = PIXELS[pixels]
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        if self.flip:
            return crops.flip(1)
        return (crops - self.mean) / self.std
