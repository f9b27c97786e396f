"""A trained network made ready to track: what can be computed once is, and memory is NHWC.

Batch norms and the pixels' normalization go into the convolutions beside them, and fusions give
their inference form. The outputs stay the same to rounding; ``benchmarks/frame_time.py`` shows what
it gains. Only for a network that is not trained any more. Fusions inside it no longer look for NaN,
which costs a synchronization a level on a GPU: the tracker looks at the responses.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from fusion_modules import Fusion
from fusion_modules.conv_norm import Foldable
from rgbt_track.models.early_fusion import EarlyFusion
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.normalization import PixelInput

Network = TypeVar("Network", bound=nn.Module)


def prepare_for_inference(network: Network) -> Network:
    """Fold and lay out ``network`` in place, in evaluation mode, and return it."""
    network.eval().requires_grad_(False)
    # Batch norms into the convolutions before them, where a block says that they follow.
    for module in list(network.modules()):
        if isinstance(module, Foldable):
            module.fold()
    # Fusions in their inference form.
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, Fusion):
                setattr(module, name, child.for_inference().eval())
    if isinstance(network, RGBTNetwork):
        if isinstance(network.early_fusion, EarlyFusion):
            network.early_fusion.optimize()
        fold_pixels(network)
    return network.to(memory_format=torch.channels_last)


@torch.no_grad()
def fold_pixels(network: RGBTNetwork) -> None:
    """Let the backbone's first convolution take pixels 0..255 in RGB order.

    Possible where it has no padding, as zeros around the normalized image are no zeros before it;
    elsewhere nothing changes.
    """
    pixels, conv = network.input, network.backbone.input_convolution()
    if not isinstance(pixels, PixelInput) or conv is None or conv.padding != (0, 0):
        return
    if pixels.flip:
        conv.weight.copy_(conv.weight.flip(1))
    else:
        shift = -(conv.weight * (pixels.mean / pixels.std)).sum((1, 2, 3))
        conv.weight.div_(pixels.std)
        conv.bias = nn.Parameter(shift if conv.bias is None else conv.bias + shift, False)
    network.input = nn.Identity()
