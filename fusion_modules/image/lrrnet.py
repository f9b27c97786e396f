"""LRRNet, the image-fusion network of two LLRR stacks.

H. Li, T. Xu, X.-J. Wu, J. Lu, J. Kittler, *LRRNet: A Novel Representation Learning Guided Fusion
Network for Infrared and Visible Images*, TPAMI 45(9), 2023 (Fig. 3). Each source X is coded as
Z = [L, S] by a stack of its own; with all convolutions 3x3, reflection-padded and linear::

    L_f = C3 * [C11 * L_ir, C21 * L_vi],    S_f = C4 * [C12 * S_ir, C22 * S_vi],    I_f = L_f + S_f

The paper's ablations (Fig. 8) replace the stacks by eight plain convolutions or four dense blocks;
these have no low-rank part, so the first half of their channels is used as L.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from fusion_modules.base import require_positive
from fusion_modules.conv8 import plain_stack
from fusion_modules.dense import dense_channels, dense_stack
from fusion_modules.image.base import ImageFusion
from fusion_modules.image.official_weights import convert_official, read_official
from fusion_modules.layers import reflect_conv, smallest_side
from fusion_modules.llrr import LLRRStack

Extractor = Literal["llrr", "conv8", "dense"]


class LRRNet(ImageFusion):
    """The network; the paper's configuration, which is the default, has 49,204 parameters.

    Args:
        channels: c of the images.
        width: n.
        blocks: of the LLRR stacks, or of ``dense``; ``conv8`` has eight layers.
        kernel: odd side of the convolutions.
        extractor: ``llrr``, or an ablation of Fig. 8.
        check_finite: see ``ImageFusion``.
    """

    part_names = (
        "low_rank_visible",
        "sparse_visible",
        "low_rank_infrared",
        "sparse_infrared",
        "low_rank_fused",
        "sparse_fused",
    )

    def __init__(
        self,
        channels: int = 1,
        width: int = 128,
        blocks: int = 4,
        kernel: int = 3,
        extractor: Extractor = "llrr",
        *,
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, check_finite=check_finite)
        self.width = require_positive("width", width)
        self.stack_infrared = _extractor(extractor, channels, width, blocks, kernel)
        self.stack_visible = _extractor(extractor, channels, width, blocks, kernel)
        self.low_infrared = reflect_conv(width, channels, kernel)  # C11
        self.sparse_infrared = reflect_conv(width, channels, kernel)  # C12
        self.low_visible = reflect_conv(width, channels, kernel)  # C21
        self.sparse_visible = reflect_conv(width, channels, kernel)  # C22
        self.fuse_low = reflect_conv(2 * channels, channels, kernel)  # C3
        self.fuse_sparse = reflect_conv(2 * channels, channels, kernel)  # C4
        self.smallest_side = smallest_side(kernel)
        convolutions = {"llrr": 1 + 2 * blocks, "conv8": 8, "dense": 2 * blocks}[extractor]
        self._margin = (convolutions + 2) * (kernel // 2)

    @property
    def margin(self) -> int:
        return self._margin

    @classmethod
    def from_official(cls, file: str | Path) -> LRRNet:
        """The network with the weights of the authors' published file, in eval mode.

        Raises ``FileNotFoundError``, and ``ValueError`` for a file that is no plain state dict or
        whose names or shapes are not those of the paper's configuration, naming the first.
        """
        network = cls()
        state = convert_official(read_official(file), network.state_dict(), file)
        network.load_state_dict(state)
        return network.eval()

    def fuse(self, visible: Tensor, infrared: Tensor) -> Tensor:
        low, sparse = self.fused_parts(*self._source_parts(visible, infrared))
        return low + sparse

    def parts(self, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        self.check(visible, infrared)
        sources = self._source_parts(visible, infrared)
        fused = self.fused_parts(*sources)
        return dict(zip(LRRNet.part_names, (*sources, *fused), strict=True))

    def _source_parts(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, ...]:
        """L and S of the visible, then of the infrared source, each back in c channels."""
        n = self.width
        code = self.stack_visible(visible)
        low_vi, sparse_vi = self.low_visible(code[:, :n]), self.sparse_visible(code[:, n:])
        code = self.stack_infrared(infrared)
        low_ir, sparse_ir = self.low_infrared(code[:, :n]), self.sparse_infrared(code[:, n:])
        return low_vi, sparse_vi, low_ir, sparse_ir

    def fused_parts(
        self, low_vi: Tensor, sparse_vi: Tensor, low_ir: Tensor, sparse_ir: Tensor
    ) -> tuple[Tensor, Tensor]:
        """L_f and S_f, (B, c, H, W) each.

        Args:
            low_vi: L of the visible source, (B, c, H, W).
            sparse_vi: S of the visible source.
            low_ir: L of the infrared source.
            sparse_ir: S of the infrared source.
        """
        low = self.fuse_low(torch.cat([low_ir, low_vi], dim=1))
        return low, self.fuse_sparse(torch.cat([sparse_ir, sparse_vi], dim=1))


def _extractor(name: str, channels: int, width: int, blocks: int, kernel: int) -> nn.Module:
    """(B, c, H, W) -> (B, 2n, H, W)."""
    if name == "llrr":
        return LLRRStack(channels, width, blocks, kernel)
    if name == "conv8":
        return plain_stack(channels, width, 8, kernel)
    if name == "dense":
        if dense_channels(channels, width, blocks) != 2 * width:
            raise ValueError(
                f"extractor 'dense' needs an even width and at least 2 blocks to give 2n channels; "
                f"got width {width} and {blocks} blocks"
            )
        return dense_stack(channels, width, blocks, kernel)
    raise ValueError(f"extractor is {name!r}; valid: llrr, conv8, dense")
