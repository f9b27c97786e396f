"""LRCFuse: LRRNet's low-rank and sparse parts, and the common features of both sources.

J. Liu et al., *LRCFuse*, Sensors 26(6), 2026, of which only the abstract is public: LLRR blocks
give the low-rank and sparse parts of each source; because low-rank representation models different
modalities imperfectly, common-feature-preservation modules by convolutional sparse coding over both
sources recover their common features. The rest is ours: the parts are fused as in LRRNet, the
common code (``fusion_modules.common_feature``) of both *images* becomes one more part, and the
three are added::

    I_f = L_f + S_f + C_f
"""

from __future__ import annotations

from torch import Tensor

from fusion_modules.common_feature import CommonCode
from fusion_modules.image.base import ImageFusion
from fusion_modules.image.lrrnet import LRRNet
from fusion_modules.layers import reflect_conv


class LRCFuse(ImageFusion):
    """The network; by default it has 35,966 parameters (half of LRRNet's n is our choice).

    Args:
        channels: c of the images.
        width: n, as in ``LRRNet``.
        common_width: channels of the common code.
        blocks: as in ``LRRNet``.
        kernel: odd side of the convolutions.
        check_finite: see ``ImageFusion``.
    """

    part_names = (*LRRNet.part_names, "common")

    def __init__(
        self,
        channels: int = 1,
        width: int = 64,
        common_width: int = 64,
        blocks: int = 4,
        kernel: int = 3,
        *,
        check_finite: bool = True,
    ) -> None:
        super().__init__(channels, check_finite=check_finite)
        self.parts_network: ImageFusion = LRRNet(channels, width, blocks, kernel)
        self.code = CommonCode(channels, common_width, blocks, kernel)
        self.express = reflect_conv(common_width, channels, kernel)
        self.smallest_side = self.parts_network.smallest_side

    @property
    def margin(self) -> int:
        return self.parts_network.margin  # its last two convolutions against one of the code's

    def fuse(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return self.parts_network.fuse(visible, infrared) + self._common(visible, infrared)

    def parts(self, visible: Tensor, infrared: Tensor) -> dict[str, Tensor]:
        self.check(visible, infrared)
        parts = self.parts_network.parts(visible, infrared)
        return {**parts, "common": self._common(visible, infrared)}

    def _common(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return self.express(self.code.common(visible, infrared))
