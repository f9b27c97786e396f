"""Batch norms fold into the convolutions that a block names, and nowhere else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from fusion_modules import create_fusion
from fusion_modules.conv_norm import ConvNorm, Foldable, fold_norm


def trained(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, with batch norms as after a training."""
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(norm.bias, 0, 0.3, generator=generator)
    return module.eval()


def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    return [
        *(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 1)),
    ]


def test_a_row_keeps_its_outputs_and_the_keys_of_a_sequential() -> None:
    block = trained(ConvNorm(*layers()))
    assert list(block.state_dict()) == list(nn.Sequential(*layers()).state_dict())
    x = torch.randn(2, 3, 11, 11)
    expected = block(x)
    assert isinstance(block, ConvNorm)
    block.fold()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in block)
    torch.testing.assert_close(block(x), expected)
    block.fold()
    torch.testing.assert_close(block(x), expected)


class NormFirst(Foldable):
    """Layers registered in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn2 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.conv2, self.bn1 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(self.bn1(self.conv1(x))))

    def fold(self) -> None:
        fold_norm(self, "conv1", "bn1")
        fold_norm(self, "conv2", "bn2")


def test_a_block_names_the_norm_behind_each_convolution() -> None:
    block = trained(NormFirst())
    x = torch.randn(1, 3, 5, 5)
    expected = block(x)
    assert isinstance(block, NormFirst)
    block.fold()
    assert isinstance(block.bn1, nn.Identity) and isinstance(block.bn2, nn.Identity)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("start", ["random", "mean"])
def test_rfn_folds(start: str) -> None:
    fusion = trained(create_fusion("rfn", channels=6, start=start))
    folded = copy.deepcopy(fusion)
    for module in folded.modules():
        if isinstance(module, Foldable):
            module.fold()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    rgb, tir = torch.randn(2, 1, 6, 7, 7)
    torch.testing.assert_close(folded(rgb, tir), fusion(rgb, tir))
