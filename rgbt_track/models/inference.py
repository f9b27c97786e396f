"""A trained network made ready to track: batch norms folded into their convolutions, NHWC memory.

The outputs stay the same to rounding; on a processor a frame takes about a fifth less time. Only
for a network that is not trained any more: the batch norms are gone afterwards. Fusions no longer
look for NaN, which costs a synchronisation a level on a GPU: the tracker looks at the answers.
"""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fusion_modules import Fusion

_OWN_PACKAGES = ("rgbt_track", "fusion_modules")

Network = TypeVar("Network", bound=nn.Module)


def prepare_for_inference(network: Network) -> Network:
    """Fold and lay out ``network`` in place, in evaluation mode, and return it."""
    network.eval().requires_grad_(False)
    for module in list(network.modules()):
        if _runs_in_a_row(module):
            fold_batch_norms(module)
        if isinstance(module, Fusion):
            module.check_finite = False
    return network.to(memory_format=torch.channels_last)


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm among the children into the convolution registered just before it."""
    children = list(module.named_children())
    for (conv_name, conv), (norm_name, norm) in itertools.pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())


def _runs_in_a_row(module: nn.Module) -> bool:
    """Whether the children run in the order in which they were registered.

    Those of a ``Sequential`` do, and in this package's modules as well; a test holds that. Of
    somebody else's module, such as a fusion by its dotted path, nobody knows.
    """
    package = type(module).__module__.partition(".")[0]
    return isinstance(module, nn.Sequential) or package in _OWN_PACKAGES
