"""An anchor-free head: one box per cell, and a score that predicts the overlap of that box.

Distances to the four sides as in FCOS (Tian et al., ICCV 2019), which SiamCAR, Ocean and LightTrack
brought to Siamese trackers; depthwise correlation (SiamRPN++) and pixel-wise correlation
(Alpha-Refine, NanoTrack v2) side by side. The response has the form of an RPN's with one square
anchor, so that decision, penalty and cosine window are the same for both heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from fusion_modules.conv_norm import ConvNorm, Foldable
from rgbt_track.models.heads.rpn import depthwise_correlation
from rgbt_track.models.interface import BranchKernels, Head, Response

_SIZES = 2  # maps that tell the target's width and height
_LARGEST_LOG = 3.0  # a distance of 20 half anchors lies outside of every crop
_LONGEST_TOWER = 16
_FIRST_LOGIT = 2.0  # background is likely before anything is learned


class AnchorFreeHead(Head):
    """Template and search levels -> overlap logits (B, 2, S, S) and offsets (B, 4, S, S).

    Args:
        channels: channels of each level.
        hidden: channels of each level's correlation; the towers have those of the first one.
        template_cells: side of the template in cells; the correlation kernel has two less.
        planes: maps beside the template's features, of which the last two tell the target's size
            (see ``target_planes``); 0 for none.
        tower: separable convolutions after the correlation, for the score and for the box.
        box_features: the box is read from the search features too, not from their correlation
            alone, which is blurred by the size of its kernel.
    """

    def __init__(
        self,
        channels: Sequence[int],
        hidden: Sequence[int],
        template_cells: int,
        planes: int = 0,
        *,
        tower: int = 2,
        box_features: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= tower <= _LONGEST_TOWER:
            raise ValueError(f"tower is {tower}; expected 0 to {_LONGEST_TOWER} convolutions")
        width, pixels = hidden[0], (template_cells - 2) ** 2
        sizes = list(zip(channels, hidden, strict=True))
        parts = [(*size, pixels, width, planes) for size in sizes]
        self.cls = nn.ModuleList(JoinedCorrelation(*part) for part in parts)
        self.loc = nn.ModuleList(JoinedCorrelation(*part, features=box_features) for part in parts)
        self.size = nn.Linear(_SIZES, width) if planes else None
        self.cls_tower = _tower(width, tower)
        self.loc_tower = _tower(width, tower)
        self.cls_out = nn.Conv2d(width, 2, 1)
        self.loc_out = nn.Conv2d(width, 4, 1)
        for out in (self.cls_out, self.loc_out):
            nn.init.normal_(out.weight, std=0.01)
            out.bias = nn.Parameter(torch.zeros(out.out_channels))
        self.cls_out.bias = nn.Parameter(torch.tensor([_FIRST_LOGIT, -_FIRST_LOGIT]))

    def kernels(self, template: Sequence[Tensor]) -> BranchKernels:
        return [
            (cls.kernel(level), loc.kernel(level))  # type: ignore[operator]
            for cls, loc, level in zip(self.cls, self.loc, template, strict=True)
        ]

    def forward(self, kernels: BranchKernels, search: Sequence[Tensor]) -> Response:
        rows = list(zip(self.cls, self.loc, kernels, search, strict=True))
        cls = reduce(torch.add, (cls(kernel[0], level) for cls, _, kernel, level in rows))
        loc = reduce(torch.add, (loc(kernel[1], level) for _, loc, kernel, level in rows))
        if self.size is not None:
            loc = loc + self.size(self.loc[0].size_in_template(kernels[0][1]))[..., None, None]  # type: ignore[operator]
        return Response(self.cls_out(self.cls_tower(cls)), self._offsets(loc))

    def _offsets(self, loc: Tensor) -> Tensor:
        """Distances to the four sides, in anchor sides, as center offsets and log sizes."""
        logs = self.loc_out(self.loc_tower(loc)).float().clamp(-_LARGEST_LOG, _LARGEST_LOG)
        left, top, right, bottom = (0.5 * logs.exp()).unbind(1)  # half an anchor each at log 0
        center = [(right - left) / 2, (bottom - top) / 2]
        return torch.stack([*center, (left + right).log(), (top + bottom).log()], 1)


class JoinedCorrelation(Foldable):
    """One level: kernel (B, hidden, h, h) and search (B, C, H, H) -> (B, out, S, S), S = H - h - 1.

    ``pixels`` is h * h, the number of pixel-wise maps; ``adjust_kernel`` makes the kernel of the
    template and of the ``planes`` beside it. The target's size goes along with the kernel, as two
    channels more. With ``features`` the search features themselves are joined to the maps.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        pixels: int,
        out: int,
        planes: int = 0,
        features: bool = False,
    ) -> None:
        super().__init__()
        self.hidden, self.planes, self.features = hidden, planes, features
        maps = hidden + pixels + (hidden if features else 0)
        self.adjust_kernel = _separable(channels + planes, hidden, padding=0)
        self.adjust_search = _separable(channels, hidden, padding=0)
        self.norm: nn.Module = nn.BatchNorm2d(maps)
        self.join = ConvNorm(
            nn.Conv2d(maps, out, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )

    @torch.no_grad()
    def fold(self) -> None:
        """Fold the batch norm of the maps into the 1x1 convolution that follows it."""
        norm, conv = self.norm, self.join[0]
        if not isinstance(norm, nn.BatchNorm2d) or not isinstance(conv, nn.Conv2d):
            return
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = conv.weight[:, :, 0, 0] @ (norm.bias - norm.running_mean * scale)
        conv.bias = nn.Parameter(shift if conv.bias is None else conv.bias + shift, False)
        conv.weight.mul_(scale[:, None, None])
        self.norm = nn.Identity()

    def kernel(self, template: Tensor) -> Tensor:
        """The kernel (B, hidden [+ 2], h, h) of a template (B, C [+ planes], h + 2, h + 2)."""
        kernel = self.adjust_kernel(template)
        if not self.planes:
            return kernel
        return torch.cat([kernel, template[:, -_SIZES:, 1:-1, 1:-1]], 1)

    def size_in_template(self, kernel: Tensor) -> Tensor:
        """(B, 2), the logarithms of the target's width and height that ``kernel`` brings along."""
        return kernel[:, self.hidden :, 0, 0]

    def forward(self, kernel: Tensor, search: Tensor) -> Tensor:
        kernel = kernel[:, : self.hidden]
        search = self.adjust_search(search)
        maps = [depthwise_correlation(search, kernel), pixelwise_correlation(search, kernel)]
        if self.features:
            maps.append(_inner(search, kernel))
        return self.join(self.norm(torch.cat(maps, 1)))


def pixelwise_correlation(search: Tensor, kernel: Tensor) -> Tensor:
    """Mean product of every search cell with every kernel cell, over the channels.

    (B, C, H, H) and (B, C, h, h) -> (B, h * h, S, S), S = H - h + 1: the search cells are those on
    which a correlation without padding is centered. ``h`` is odd.
    """
    inner = _inner(search, kernel)
    batch, channels, height, width = inner.shape
    products = torch.bmm(kernel.flatten(2).transpose(1, 2), inner.flatten(2))
    return (products / channels).reshape(batch, -1, height, width)


def _inner(search: Tensor, kernel: Tensor) -> Tensor:
    """The search cells (B, C, S, S) on which a correlation with the kernel is centered."""
    rim = kernel.shape[-1] // 2
    return search[..., rim : search.shape[-2] - rim, rim : search.shape[-1] - rim]


def _tower(channels: int, length: int) -> nn.Sequential:
    return nn.Sequential(*(_separable(channels, channels, padding=1) for _ in range(length)))


def _separable(channels: int, out: int, padding: int) -> ConvNorm:
    return ConvNorm(
        nn.Conv2d(channels, channels, 3, padding=padding, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
