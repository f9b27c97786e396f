"""The feature maps that the image-fusion losses compare: four blocks of VGG-16.

The losses are defined on torchvision's ImageNet weights. Where these cannot be had, an untrained
VGG-16 stands in: its first layers are random filters that see edges and contrast, its deeper ones
no objects. It must be asked for by its name, and every run says that it was used.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from rgbt_track.models.state import read_state

STAND_IN = "random_vgg16"
_ENDS = (4, 9, 16, 23)  # after relu1_2, relu2_2, relu3_3, relu4_3
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
    network = _untrained()
    if features != STAND_IN:
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
    """VGG-16's convolutions, always the same, which keep the size of what they are given.

    He et al.'s initialisation by inputs: features are then about as large as pixels, as those of
    the trained network are on 0..255; torchvision's own, by outputs, would let them vanish.
    """
    from torchvision.models import vgg16

    with torch.device("meta"):  # its classifier alone would take 500 MB
        features = vgg16(weights=None).features[: _ENDS[-1]]
    features = features.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(_STAND_IN_SEED)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
    return features


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
