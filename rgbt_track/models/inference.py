"""A trained network made ready to track: batch norms folded into their convolutions, NHWC memory.

The outputs stay the same to rounding; on a processor a frame takes about a fifth less time. Only
for a network that is not trained any more: the batch norms are gone afterwards.
"""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def prepare_for_inference(network: Network) -> Network:
    """Fold and lay out ``network`` in place, in evaluation mode, and return it."""
    network.eval().requires_grad_(False)
    for module in list(network.modules()):
        fold_batch_norms(module)
    return network.to(memory_format=torch.channels_last)


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm among the children into the convolution registered just before it.

    In this package's networks what is registered in a row runs in a row; a test holds that.
    """
    children = list(module.named_children())
    for (conv_name, conv), (norm_name, norm) in itertools.pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
