"""The feature maps that the image-fusion losses compare: four blocks of VGG-16.

The losses are defined on torchvision's ImageNet weights. For machines that cannot download them
there is an untrained VGG-16 with fewer channels: random filters that respond to brightness, edges
and texture, not to objects. It must be selected by its name, and every run says that it is used.

The order of random draws is part of the format: the untrained weights are the same in every
version.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from rgbt_track.models.state_dict import read_state

STAND_IN = "random_vgg16"
_ENDS = (4, 9, 16, 23)  # after relu1_2, relu2_2, relu3_3, relu4_3
_WIDTHS = [64, 128, 256, 512]
_REDUCTION = 4  # of the channels of the untrained network
_SEED = 16


class VGGBlocks(nn.Module):
    """(B, 3, H, W) in 0..255 -> relu1_2, relu2_2, relu3_3, relu4_3; at least 16x16 pixels."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        starts = (0, *_ENDS[:-1])
        self.blocks = nn.ModuleList(features[a:b] for a, b in zip(starts, _ENDS, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, x = [], images
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


def vgg_blocks(features: str) -> VGGBlocks:
    """``vgg16``: torchvision's weights, downloaded once; ``random_vgg16``; or a file of weights.

    Raises ``ValueError`` or ``FileNotFoundError`` in one line, with the remedy, where the weights
    cannot be had.
    """
    if features == "vgg16":
        try:
            network = models.vgg16(weights=models.VGG16_Weights.IMAGENET1K_V1)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"VGG-16's weights cannot be downloaded ({reason}): give a file with them, "
                f"training.features=vgg16-397923af.pth, or select the untrained network, "
                f"training.features={STAND_IN}"
            ) from None
        return VGGBlocks(network.features)
    if features == STAND_IN:
        return VGGBlocks(random_features())
    layers, path = _make_layers(_WIDTHS), Path(features)
    stored = read_state(path)
    state = {}
    for key, initial in layers.state_dict().items():
        tensor = stored.get(f"features.{key}", stored.get(key))
        if tensor is None or tensor.shape != initial.shape:
            shape = "missing" if tensor is None else tuple(tensor.shape)
            raise ValueError(
                f"{path}: not VGG-16: {key} is {shape}; "
                f"expected torchvision's file, or training.features=vgg16 or {STAND_IN}"
            )
        state[key] = tensor
    layers.load_state_dict(state)
    return VGGBlocks(layers)


def random_features() -> nn.Sequential:
    """VGG-16's layers with a quarter of its channels and random weights, always the same.

    He et al.'s initialization by inputs keeps features about as large as pixels, as those of the
    trained network are on 0..255; the last are divided by the root of the reduction, since a Gram
    matrix over fewer channels has larger entries.
    """
    layers = _make_layers([width // _REDUCTION for width in _WIDTHS])
    generator = torch.Generator().manual_seed(_SEED)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        assert layer.bias is not None
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        convolutions[-1].weight /= math.sqrt(_REDUCTION)
    return layers


def _make_layers(widths: list[int]) -> nn.Sequential:
    """Convolutions of VGG-16 up to relu4_3: blocks of two, two, three and three."""
    layers: list[nn.Module] = []
    channels = 3
    for block, width in enumerate(widths):
        if block:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2 if block < 2 else 3):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=False)]
            channels = width
    return nn.Sequential(*layers)
