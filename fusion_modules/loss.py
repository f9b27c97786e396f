"""The feature loss of the LRRNet tracker (eq. 15), as its authors' code normalizes it.

With levels F1, F2, F3 (shallow to deep) of RGB r, infrared i and fused f::

    shallow = 10   * || F1_f - 3 F1_r ||^2
    middle  = 2    * || F2_f - (2 F2_i + 1 F2_r) ||^2
    deep    = 2000 * || G(F3_f) - (2 G(F3_i) + 1 G(F3_r)) ||^2

Every squared norm is the **mean** over all elements, and the Gram matrix of an item is
``G(F) = F F^T / (C H W)`` with F as (C, H W). r and i are targets and get no gradient, as in the
paper, where their branches are frozen. The weight of the total in the tracker's loss is set there;
DFAT's is 0.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion_modules.base import require_same_shape


class FusionLoss(nn.Module):
    """Eq. 15; the arguments are its constants.

    Args:
        shallow: factor of the shallow term.
        middle: factor of the middle term.
        deep: factor of the deep term.
        shallow_rgb: factor of RGB in the target of the shallow term.
        middle_tir: factor of thermal in the target of the middle term.
        middle_rgb: factor of RGB there.
        deep_tir: factor of thermal in the target of the deep term.
        deep_rgb: factor of RGB there.
        levels: indices of F1, F2 and F3 in the lists of levels, e.g. (0, 0, 0) for a tracker of
            one level; without it the lists must hold exactly three.
    """

    def __init__(
        self,
        *,
        shallow: float = 10.0,
        middle: float = 2.0,
        deep: float = 2000.0,
        shallow_rgb: float = 3.0,
        middle_tir: float = 2.0,
        middle_rgb: float = 1.0,
        deep_tir: float = 2.0,
        deep_rgb: float = 1.0,
        levels: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        if levels is not None and (len(levels) != 3 or min(levels) < 0):
            raise ValueError(f"levels is {levels!r}; expected three indices from 0, e.g. (0, 1, 2)")
        self.shallow, self.middle, self.deep = shallow, middle, deep
        self.shallow_rgb = shallow_rgb
        self.middle_tir, self.middle_rgb = middle_tir, middle_rgb
        self.deep_tir, self.deep_rgb = deep_tir, deep_rgb
        self.levels = levels

    def forward(
        self, fused: Sequence[Tensor], rgb: Sequence[Tensor], tir: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Lists of levels (B, C, H, W) -> scalars ``shallow``, ``middle``, ``deep``, ``total``.

        Each term contains its factor (10, 2, 2000), and ``total`` is their sum. It is computed in
        single precision at least, also under autocast. Raises ``ValueError`` if the lists have the
        wrong number of levels or the levels of one place differ in shape.
        """
        selected = []
        for name, levels in (("fused", fused), ("rgb", rgb), ("tir", tir)):
            if self.levels is None and len(levels) != 3:
                raise ValueError(
                    f"{name} has {len(levels)} levels; eq. 15 needs 3 (shallow, middle, deep): "
                    "choose them with FusionLoss(levels=...), e.g. (0, 0, 0) for one level"
                )
            if self.levels is not None and max(self.levels) >= len(levels):
                raise ValueError(
                    f"{name} has {len(levels)} levels, too few for levels={self.levels}"
                )
            selected.append([levels[index] for index in self.levels or (0, 1, 2)])
        for f, r, t in zip(*selected, strict=True):
            require_same_shape("a fused level", f, "that of rgb", r)
            require_same_shape("a fused level", f, "that of tir", t)
        with torch.autocast(fused[0].device.type, enabled=False):
            f1, f2, f3 = (_at_least_fp32(x) for x in selected[0])
            r1, r2, r3 = (_at_least_fp32(x).detach() for x in selected[1])
            _, t2, t3 = (_at_least_fp32(x).detach() for x in selected[2])
            middle = self.middle_tir * t2 + self.middle_rgb * r2
            deep = self.deep_tir * gram(t3) + self.deep_rgb * gram(r3)
            terms = {
                "shallow": self.shallow * F.mse_loss(f1, self.shallow_rgb * r1),
                "middle": self.middle * F.mse_loss(f2, middle),
                "deep": self.deep * F.mse_loss(gram(f3), deep),
            }
        return {**terms, "total": terms["shallow"] + terms["middle"] + terms["deep"]}


def gram(features: Tensor) -> Tensor:
    """Gram matrices F F^T / (C H W): (B, C, H, W) -> (B, C, C)."""
    rows = features.flatten(2)  # (B, C, H W)
    return rows @ rows.transpose(1, 2) / (rows.shape[1] * rows.shape[2])


def _at_least_fp32(features: Tensor) -> Tensor:
    return features.to(torch.promote_types(features.dtype, torch.float32))
