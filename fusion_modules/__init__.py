"""Fusion of RGB and thermal feature maps, for any tracker; needs torch and nothing else.

    fuse = create_fusion("llrr", channels=256)
    fused = fuse(rgb, tir)                    # (B, C, H, W) x 2 -> (B, C, H, W)

``FUSIONS`` lists the names. ``FusionPyramid`` fuses lists of levels, ``TokenFusion`` the tokens of
transformer trackers; ``FusionLoss`` is eq. 15 of LRRNet, ``ResidualLoss`` the loss of RFN. A fusion
of your own derives from ``Fusion`` and is named ``"package.module:Class"``.
"""

from fusion_modules.base import Fusion
from fusion_modules.factory import FUSIONS, create_fusion
from fusion_modules.layers import soft_threshold
from fusion_modules.llrr import LLRRBlock, LLRRStack
from fusion_modules.loss import FusionLoss
from fusion_modules.pyramid import FusionPyramid
from fusion_modules.residual_loss import ResidualLoss
from fusion_modules.tokens import TokenFusion

__all__ = [
    "FUSIONS",
    "Fusion",
    "FusionLoss",
    "FusionPyramid",
    "LLRRBlock",
    "LLRRStack",
    "ResidualLoss",
    "TokenFusion",
    "create_fusion",
    "soft_threshold",
]
