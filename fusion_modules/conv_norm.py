"""Convolutions with a batch norm that folds into them once training is over.

A block says itself which batch norm follows which convolution, as the blocks of RepVGG and YOLO do;
the order in which layers were registered says nothing about the order in which they run.
"""

from __future__ import annotations

import itertools

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Foldable(nn.Module):
    """A block in evaluation mode whose batch norms fold into its convolutions."""

    def fold(self) -> None:
        """Fold in place; the outputs stay the same to rounding."""
        raise NotImplementedError


class ConvNorm(nn.Sequential, Foldable):
    """Layers in a row: a convolution, its batch norm, and whatever follows, also more of these.

    State-dict keys are those of ``nn.Sequential``.
    """

    def fold(self) -> None:
        for conv, norm in itertools.pairwise(list(self._modules)):
            if isinstance(self._modules[conv], nn.Conv2d):
                fold_norm(self, conv, norm)


def fold_norm(block: nn.Module, conv: str, norm: str) -> None:
    """Fold the child ``norm`` of a block into its child ``conv``; another layer is left alone."""
    if isinstance(getattr(block, norm), nn.BatchNorm2d):
        setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
        setattr(block, norm, nn.Identity())
