"""LRRNet for processors: the same numbers, an order of magnitude quicker, without gradients.

For grey pictures every block of a stack passes its 2n maps through a single one (C1: 2n -> 1,
C2: 1 -> 2n). As convolutions these are starved of work, and each writes the 2n maps to memory and
reads them again. Here a block is two matrix products over columns of pixels::

    P = W1 Z  (k^2 x pixels),  one map r = X - (sum of P's rows, each shifted by its tap)
    Z <- h( lam Z + W2 [r's k^2 shifts] )

and what touches the 2n maps (product, threshold, next product) is done chunk by chunk of pixels
while the chunk lies in the cache. Dividing channel j by its threshold makes all thresholds 1, so
that torch's own ``softshrink`` serves; a threshold that is not positive keeps its formula.
"""

from __future__ import annotations

import copy
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion_modules.image.base import ImageFusion
from fusion_modules.image.lrcfuse import LRCFuse
from fusion_modules.image.lrrnet import LRRNet
from fusion_modules.llrr import LLRRStack

CHUNK = 512
_LEAST_SCALE = 1e-6


def quicken(network: ImageFusion) -> ImageFusion:
    """The quick form of a network where it has one, else the network itself, in eval mode.

    The quick form keeps no gradients and does not follow later changes of the weights.
    """
    network.eval()
    if isinstance(network, LRCFuse):
        twin = copy.deepcopy(network)
        twin.parts_network = quicken(network.parts_network)
        return twin
    if not isinstance(network, LRRNet) or network.channels > 1:
        return network
    return QuickLRRNet(network).eval() if isinstance(network.stack_visible, LLRRStack) else network


class QuickLRRNet(ImageFusion):
    """``LRRNet.fuse`` and ``parts`` of a grey network with LLRR stacks, equal up to rounding."""

    part_names = LRRNet.part_names

    def __init__(self, network: LRRNet) -> None:
        super().__init__(1, check_finite=network.check_finite)
        self.network = network
        self.smallest_side = network.smallest_side
        visible, infrared = network.stack_visible, network.stack_infrared
        assert isinstance(visible, LLRRStack) and isinstance(infrared, LLRRStack)
        self.visible = _QuickStack(visible, network.low_visible, network.sparse_visible)
        self.infrared = _QuickStack(infrared, network.low_infrared, network.sparse_infrared)

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
        seen = torch.stack([self.visible(item[0]) for item in visible])  # (B, 2, H, W)
        felt = torch.stack([self.infrared(item[0]) for item in infrared])
        return seen[:, :1], seen[:, 1:], felt[:, :1], felt[:, 1:]


class _QuickStack(nn.Module):
    """One stack and the two convolutions after it: (H, W) -> (2, H, W), L and S."""

    theta: Tensor  # of the channels at the end, whose thresholds are not positive
    encode: Tensor  # (1 + blocks, 2n, k^2 + 1): C0 and each block's C2
    decode: Tensor  # (blocks, k^2, 2n): each block's C1
    decode_last: Tensor  # (2 k^2, 2n): what makes L's and S's one map
    bias: Tensor
    bias_last: Tensor

    def __init__(self, stack: LLRRStack, low: nn.Conv2d, sparse: nn.Conv2d) -> None:
        super().__init__()
        theta = stack.theta.detach().flatten()
        order = (theta > _LEAST_SCALE).to(torch.uint8).argsort(descending=True, stable=True)
        self.positive = int((theta > _LEAST_SCALE).sum())
        self.kernel = stack.c0.kernel_size[0]
        self.lam = stack.lam.item()
        scale = torch.where(theta > _LEAST_SCALE, theta, torch.ones_like(theta))[order]

        def encoder(conv: nn.Conv2d) -> Tensor:  # (2n, k^2 + 1), the bias last
            return (_with_bias(conv).detach()[order] / scale.view(-1, 1)).contiguous()

        def decoder(weight: Tensor) -> Tensor:  # (k^2, 2n)
            return (weight.detach().flatten(1)[order] * scale.view(-1, 1)).T.contiguous()

        assert low.bias is not None and sparse.bias is not None
        nothing = torch.zeros_like(low.weight[0])
        lasts = (torch.cat([low.weight[0], nothing]), torch.cat([nothing, sparse.weight[0]]))
        self._keep("theta", theta[order[self.positive :]].view(-1, 1))
        self._keep("encode", torch.stack([encoder(c) for c in _encoders(stack)]))
        self._keep("decode", torch.stack([decoder(c.weight[0]) for c in _decoders(stack)]))
        self._keep("decode_last", torch.cat([decoder(weight) for weight in lasts]))
        self._keep(
            "bias", torch.stack([b for b in (c.bias for c in _decoders(stack)) if b is not None])
        )
        self._keep("bias_last", torch.cat([low.bias, sparse.bias]))

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.detach().clone(), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        pixels = picture.numel()
        spans = [slice(begin, begin + CHUNK) for begin in range(0, pixels, CHUNK)]
        shifts, codes = _columns(picture[None, None], self.kernel)[0], []
        products = picture.new_empty(self.decode.shape[1], pixels)
        for span in spans:
            code = self._threshold(self.encode[0] @ shifts[:, span])
            products[:, span] = self.decode[0] @ code
            codes.append(code)
        following = [*self.decode[1:], self.decode_last]
        for encode, decode, bias in zip(self.encode[1:], following, self.bias, strict=True):
            rest = picture - self._summed(products, picture.shape)[0] - bias
            shifts = _columns(rest[None, None], self.kernel)[0]
            products = picture.new_empty(len(decode), pixels)
            for code, span in zip(codes, spans, strict=True):
                code.addmm_(encode, shifts[:, span], beta=self.lam)
                products[:, span] = decode @ self._threshold(code)
        return self._summed(products, picture.shape) + self.bias_last.view(2, 1, 1)

    def _summed(self, products: Tensor, size: torch.Size) -> Tensor:
        return _gather(products.view(1, -1, *size), self.kernel)[0]

    def _threshold(self, code: Tensor) -> Tensor:
        """Eq. 9 in place: thresholds of 1 first, then those that are not positive."""
        head, tail = code[: self.positive], code[self.positive :]
        torch.ops.aten.softshrink.out(head, 1.0, out=head)
        if len(tail):
            tail.copy_(tail.sign() * (tail.abs() - self.theta).clamp_(min=0))
        return code


def _encoders(stack: LLRRStack) -> list[nn.Conv2d]:
    return [stack.c0, *(block.c2 for block in stack.blocks)]  # type: ignore[list-item]


def _decoders(stack: LLRRStack) -> list[nn.Conv2d]:
    return [block.c1 for block in stack.blocks]  # type: ignore[misc]


def _columns(picture: Tensor, side: int) -> Tensor:
    """The shifts of mirrored pictures, and ones for the bias: (B, 1, H, W) -> (B, k^2 + 1, H W)."""
    padded = F.pad(picture, (side // 2,) * 4, mode="reflect")
    shifted = F.unfold(padded, side)
    return torch.cat([shifted, torch.ones_like(shifted[:, :1])], dim=1)


def _gather(products: Tensor, side: int) -> Tensor:
    """Sum of each map's k^2 products, each shifted by its tap: (B, m k^2, H, W) -> (B, m, H, W)."""
    height, width = products.shape[-2:]
    padded = F.pad(products, (side // 2,) * 4, mode="reflect").unflatten(1, (-1, side * side))
    taps = (divmod(tap, side) for tap in range(side * side))
    shifted = (
        padded[:, :, tap, row : row + height, column : column + width]
        for tap, (row, column) in enumerate(taps)
    )
    return reduce(torch.add, shifted)


def _with_bias(conv: nn.Conv2d) -> Tensor:
    """Weights of a one-channel convolution beside its bias, as a matrix (out, k^2 + 1)."""
    assert conv.bias is not None
    return torch.cat([conv.weight.flatten(1), conv.bias.view(-1, 1)], dim=1)
