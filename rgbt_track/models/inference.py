"""A trained network made ready to track: what can be computed once is, and memory is NHWC.

Batch norms and the pixels' normalisation go into the convolutions beside them, and fusions give
their inference form. The outputs stay the same to rounding; ``benchmarks/frame_time.py`` shows what
it gains. Only for a network that is not trained any more. Fusions inside it no longer look for NaN,
which costs a synchronisation a level on a GPU: the tracker looks at the answers.
"""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fusion_modules import Fusion
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.normalization import PixelInput

_OWN_PACKAGES = ("rgbt_track", "fusion_modules")

Network = TypeVar("Network", bound=nn.Module)


def prepare_for_inference(network: Network) -> Network:
    """Fold and lay out ``network`` in place, in evaluation mode, and return it."""
    network.eval().requires_grad_(False)
    for module in list(network.modules()):
        if _runs_in_a_row(module):
            fold_batch_norms(module)
        for name, child in module.named_children():
            if isinstance(child, Fusion):
                setattr(module, name, child.for_inference().eval())
    if isinstance(network, RGBTNetwork):
        fold_pixels(network)
    return network.to(memory_format=torch.channels_last)


@torch.no_grad()
def fold_pixels(network: RGBTNetwork) -> None:
    """Let the backbone's first convolution take pixels 0..255 in RGB order.

    Possible where it has no padding, as zeros around the normalised image are no zeros before it;
    elsewhere nothing changes.
    """
    pixels = network.input
    conv = next((m for m in network.backbone.modules() if isinstance(m, nn.Conv2d)), None)
    if not isinstance(pixels, PixelInput) or conv is None or conv.padding != (0, 0):
        return
    if conv.in_channels != 3 or not _runs_in_a_row(network.backbone):
        return
    if pixels.flip:
        conv.weight.copy_(conv.weight.flip(1))
    else:
        shift = -(conv.weight * (pixels.mean / pixels.deviation)).sum((1, 2, 3))
        conv.weight.div_(pixels.deviation)
        conv.bias = nn.Parameter(shift if conv.bias is None else conv.bias + shift, False)
    network.input = nn.Identity()


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
