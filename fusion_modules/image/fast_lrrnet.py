"""LRRNet for inference on a CPU: the same results, an order of magnitude faster, no gradients.

For gray images every block of a stack passes its 2n maps through a single one (C1: 2n -> 1,
C2: 1 -> 2n). As convolutions these do little work per byte, and each writes the 2n maps to memory
and reads them again. Here a block is two matrix products over columns of pixels::

    P = W1 Z  (k^2 x pixels),  one map r = X - (sum of P's rows, each shifted by its tap)
    Z <- h( lam Z + W2 [r's k^2 shifts] )

and the steps on the 2n maps (product, threshold, next product) are done for a chunk of pixels at a
time, while the chunk is in the cache. Dividing channel j by its threshold makes all thresholds 1,
so that torch's ``softshrink`` can be used; thresholds that are not positive keep their formula.
"""

from __future__ import annotations

import copy
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion_modules.image.base import ImageFusion
from fusion_modules.image.lrcfuse import LRCFuse
from fusion_modules.image.lrrnet import LRRNet
from fusion_modules.llrr import LLRRStack

CHUNK = 512
_MIN_SCALE = 1e-6


def optimize_for_cpu(network: ImageFusion) -> ImageFusion:
    """A faster equivalent of a network where there is one, else the network itself, in eval mode.

    The fast form has no gradients and does not follow later changes of the weights.
    """
    network.eval()
    if isinstance(network, LRCFuse):
        fast = copy.deepcopy(network)
        fast.parts_network = optimize_for_cpu(network.parts_network)
        return fast
    if not isinstance(network, LRRNet) or network.channels > 1:
        return network
    return FastLRRNet(network).eval() if isinstance(network.stack_visible, LLRRStack) else network


quicken = optimize_for_cpu  # the earlier name, for existing code


class FastLRRNet(ImageFusion):
    """``LRRNet.fuse`` and ``parts`` of a gray network with LLRR stacks, equal up to rounding."""

    part_names = LRRNet.part_names

    def __init__(self, network: LRRNet) -> None:
        super().__init__(1, check_finite=network.check_finite)
        self.network = network
        self.smallest_side = network.smallest_side
        visible, infrared = network.stack_visible, network.stack_infrared
        assert isinstance(visible, LLRRStack) and isinstance(infrared, LLRRStack)
        self.visible = FastStack(visible, network.low_visible, network.sparse_visible)
        self.infrared = FastStack(infrared, network.low_infrared, network.sparse_infrared)

    @property
    def margin(self) -> int:
        return self.network.margin

    @torch.no_grad()
    def fuse(self, visible: Tensor, infrared: Tensor) -> Tensor:
        low, sparse = self.network.fused_parts(*self._source_parts(visible, infrared))
        return low + sparse

    @torch.no_grad()
    def parts(self, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        self.check(visible, infrared)
        sources = self._source_parts(visible, infrared)
        fused = self.network.fused_parts(*sources)
        return dict(zip(self.part_names, (*sources, *fused), strict=True))

    def _source_parts(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, ...]:
        """L and S of the visible, then of the infrared source, (B, 1, H, W) each."""
        parts_visible = torch.stack([self.visible(image[0]) for image in visible])  # (B, 2, H, W)
        parts_infrared = torch.stack([self.infrared(image[0]) for image in infrared])
        return (*parts_visible.split(1, dim=1), *parts_infrared.split(1, dim=1))


class FastStack(nn.Module):
    """One LLRR stack and the convolutions of L and S after it: (H, W) -> (2, H, W), L and S.

    Channels are sorted: positive thresholds, which become 1, come first.
    """

    theta: Tensor  # of the last channels, whose thresholds are not positive
    encode: Tensor  # (1 + blocks, 2n, k^2 + 1): C0 and each block's C2
    decode: Tensor  # (blocks, k^2, 2n): each block's C1
    decode_last: Tensor  # (2 k^2, 2n): the convolutions of L and S
    bias: Tensor  # (blocks,): of each block's C1
    bias_last: Tensor  # (2,): of the convolutions of L and S

    def __init__(self, stack: LLRRStack, low: nn.Conv2d, sparse: nn.Conv2d) -> None:
        super().__init__()
        # Sort the channels by the sign of their thresholds.
        theta = stack.theta.detach().flatten()
        order = (theta > _MIN_SCALE).to(torch.uint8).argsort(descending=True, stable=True)
        self.positive = int((theta > _MIN_SCALE).sum())
        self.kernel = stack.c0.kernel_size[0]
        self.lam = stack.lam.item()
        scale = torch.where(theta > _MIN_SCALE, theta, torch.ones_like(theta))[order]
        # Convolutions to 2n maps as matrices (2n, k^2 + 1), the bias last, rows divided by theta.
        encoders: list[Any] = [stack.c0, *(block.c2 for block in stack.blocks)]
        encode = [
            torch.cat([conv.weight.flatten(1), conv.bias.view(-1, 1)], dim=1)[order]
            / scale.view(-1, 1)
            for conv in encoders
        ]
        # Convolutions to one map as matrices (k^2, 2n), columns multiplied by theta.
        decoders: list[Any] = [block.c1 for block in stack.blocks]
        zeros = torch.zeros_like(low.weight[0])
        weights = [conv.weight[0] for conv in decoders]
        weights += [torch.cat([low.weight[0], zeros]), torch.cat([zeros, sparse.weight[0]])]
        decode = [(x.flatten(1)[order] * scale.view(-1, 1)).T.contiguous() for x in weights]
        assert low.bias is not None and sparse.bias is not None
        buffers = {
            "theta": theta[order[self.positive :]].view(-1, 1),
            "encode": torch.stack(encode),
            "decode": torch.stack(decode[:-2]),
            "decode_last": torch.cat(decode[-2:]),
            "bias": torch.stack([conv.bias for conv in decoders]),
            "bias_last": torch.cat([low.bias, sparse.bias]),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value.detach().clone(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.numel()
        chunks = [slice(begin, begin + CHUNK) for begin in range(0, pixels, CHUNK)]
        # Z_0 = h(C0 X), and the products of the first C1 with it.
        shifts, codes = _columns(image[None, None], self.kernel)[0], []
        products = image.new_empty(self.decode.shape[1], pixels)
        for chunk in chunks:
            code = self._threshold(self.encode[0] @ shifts[:, chunk])
            products[:, chunk] = self.decode[0] @ code
            codes.append(code)
        # Each block, and the products of the following C1 or, at the end, of L's and S's.
        following = [*self.decode[1:], self.decode_last]
        for encode, decode, bias in zip(self.encode[1:], following, self.bias, strict=True):
            residual = image - _sum_taps(products, image.shape, self.kernel)[0] - bias
            shifts = _columns(residual[None, None], self.kernel)[0]
            products = image.new_empty(len(decode), pixels)
            for code, chunk in zip(codes, chunks, strict=True):
                code.addmm_(encode, shifts[:, chunk], beta=self.lam)
                products[:, chunk] = decode @ self._threshold(code)
        return _sum_taps(products, image.shape, self.kernel) + self.bias_last.view(2, 1, 1)

    def _threshold(self, code: Tensor) -> Tensor:
        """Eq. 9 in place: thresholds of 1 first, then those that are not positive."""
        head, tail = code[: self.positive], code[self.positive :]
        torch.ops.aten.softshrink.out(head, 1.0, out=head)
        if len(tail):
            tail.copy_(tail.sign() * (tail.abs() - self.theta).clamp_(min=0))
        return code


def _columns(image: Tensor, side: int) -> Tensor:
    """The shifts of mirrored images, and ones for the bias: (B, 1, H, W) -> (B, k^2 + 1, H W)."""
    padded = F.pad(image, (side // 2,) * 4, mode="reflect")
    shifts = F.unfold(padded, side)
    return torch.cat([shifts, torch.ones_like(shifts[:, :1])], dim=1)


def _sum_taps(products: Tensor, size: torch.Size, side: int) -> Tensor:
    """Sum of each map's k^2 products, each shifted by its tap: (m k^2, H W) -> (m, H, W)."""
    height, width = size
    products = products.view(1, -1, height, width)
    padded = F.pad(products, (side // 2,) * 4, mode="reflect").unflatten(1, (-1, side * side))
    taps = (divmod(tap, side) for tap in range(side * side))
    shifted = (
        padded[0, :, tap, row : row + height, column : column + width]
        for tap, (row, column) in enumerate(taps)
    )
    return reduce(torch.add, shifted)
