"""Image-fusion networks: one image out of a visible and an infrared one.

    net = LRRNet.from_official("their_file.model")
    fused = net(visible, infrared)            # (B, 1, H, W) in [0, 1] each -> (B, 1, H, W)

``IMAGE_NETWORKS`` lists the names; ``fuse_tiled`` fuses images of any size; ``losses`` and
``metrics`` are those of the papers. Needs torch and nothing else.
"""

from __future__ import annotations

from fusion_modules.image.base import ImageFusion, min_max, to_uint8
from fusion_modules.image.fast_lrrnet import optimize_for_cpu, quicken
from fusion_modules.image.lrcfuse import LRCFuse
from fusion_modules.image.lrrnet import LRRNet
from fusion_modules.image.lwc_densefuse import LWCDenseFuse
from fusion_modules.image.tiles import fuse_tiled, parts_tiled

IMAGE_NETWORKS: dict[str, type[ImageFusion]] = {
    "lrrnet": LRRNet,
    "lrcfuse": LRCFuse,
    "lwc_densefuse": LWCDenseFuse,
}

__all__ = [
    "IMAGE_NETWORKS",
    "ImageFusion",
    "LRCFuse",
    "LRRNet",
    "LWCDenseFuse",
    "fuse_tiled",
    "min_max",
    "optimize_for_cpu",
    "parts_tiled",
    "quicken",
    "to_uint8",
]
