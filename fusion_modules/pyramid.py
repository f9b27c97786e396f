"""One fusion per level of a feature pyramid, each with its own weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fusion_modules.factory import create_fusion


class FusionPyramid(nn.Module):
    """Fusions by name, one per entry of ``channels``: ``FusionPyramid("llrr", [256, 256, 256])``.

    ``kwargs`` go to every level's constructor. Raises ``ValueError`` as ``create_fusion`` does,
    and for an empty list of channels.
    """

    def __init__(self, name: str, channels: Sequence[int], **kwargs: Any) -> None:
        super().__init__()
        if not isinstance(channels, Sequence) or not channels:
            raise ValueError(f"channels is {channels!r}; expected one number per level, e.g. [256]")
        self.levels = nn.ModuleList(create_fusion(name, level, **kwargs) for level in channels)

    def forward(self, rgb: Sequence[Tensor], tir: Sequence[Tensor]) -> list[Tensor]:
        """Levels (B, C_i, H_i, W_i) of each modality, in the order of ``channels`` -> fused levels.

        Raises ``ValueError`` if either list has another number of levels than was built.
        """
        for modality, levels in (("rgb", rgb), ("tir", tir)):
            if isinstance(levels, Tensor) or len(levels) != len(self.levels):
                shape = "one tensor" if isinstance(levels, Tensor) else f"{len(levels)} levels"
                raise ValueError(
                    f"{modality} came as {shape}; this pyramid was built for a list of "
                    f"{len(self.levels)}: one entry of channels= per level"
                )
        return [fuse(r, t) for fuse, r, t in zip(self.levels, rgb, tir, strict=True)]
