"""The feature maps that the image-fusion losses compare: four blocks of VGG-16.

The losses are defined on torchvision's ImageNet weights. Where these cannot be had, an untrained,
slimmer VGG-16 stands in: random filters that see brightness, edges and texture, and no objects. It
must be asked for by its name, and every run says that it was used.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from rgbt_track.models.state_dict import read_state

STAND_IN = "random_vgg16"
_ENDS = (4, 9, 16, 23)  # after relu1_2, relu2_2, relu3_3, relu4_3
_WIDTHS = [64, 128, 256, 512]
_SLIMMER = 4
_STAND_IN_SEED = 16


class VGGBlocks(nn.Module):
    """(B, 3, H, W) in 0..255 -> relu1_2, relu2_2, relu3_3, relu4_3; at least 16x16 pixels."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        begins = (0, *_ENDS[:-1])
        self.blocks = nn.ModuleList(features[a:b] for a, b in zip(begins, _ENDS, strict=True))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        maps, x = [], pictures
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
        return VGGBlocks(_downloaded())
    if features == STAND_IN:
        return VGGBlocks(_untrained())
    network = _layers(_WIDTHS)
    _load(network, Path(features))
    return VGGBlocks(network)


def _downloaded() -> nn.Sequential:
    from torchvision.models import VGG16_Weights, vgg16

    try:
        return vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"VGG-16's weights cannot be downloaded ({reason}): give a file with them, "
            f"training.features=vgg16-397923af.pth, or choose the untrained stand-in, "
            f"training.features={STAND_IN}"
        ) from None


def _untrained() -> nn.Sequential:
    """The stand-in: VGG-16's layers with a quarter of its channels, always the same weights.

    He et al.'s initialisation by inputs keeps features about as large as pixels, as those of the
    trained network are on 0..255; the last are divided by the root of how much slimmer the network
    is, since a Gram matrix over fewer channels has larger entries.
    """
    features = _layers([width // _SLIMMER for width in _WIDTHS])
    generator = torch.Generator().manual_seed(_STAND_IN_SEED)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
    last = [layer for layer in features if isinstance(layer, nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight /= math.sqrt(_SLIMMER)
    return features


def _layers(widths: list[int]) -> nn.Sequential:
    """Convolutions of VGG-16 up to relu4_3, two, two, three and three to a block."""
    layers: list[nn.Module] = []
    before = 3
    for block, width in enumerate(widths):
        if block:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2 if block < 2 else 3):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=False)]
            before = width
    return nn.Sequential(*layers)


def _load(features: nn.Sequential, path: Path) -> None:
    state = read_state(path)
    own = features.state_dict()
    wanted = {key: state.get(f"features.{key}", state.get(key)) for key in own}
    for key, tensor in wanted.items():
        found = "missing" if tensor is None else tuple(tensor.shape)
        if tensor is None or tensor.shape != own[key].shape:
            raise ValueError(
                f"{path}: not VGG-16: {key} is {found}; "
                f"expected torchvision's file, or training.features=vgg16 or {STAND_IN}"
            )
    features.load_state_dict({key: tensor for key, tensor in wanted.items() if tensor is not None})
