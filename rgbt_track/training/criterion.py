"""What a training step minimises: the branches' SiamRPN++ losses and eq. 15 on the fused levels.

    sum over branches of (cls * CE + loc * L1 [+ iou * (1 - IoU)])  +  feature * eq. 15

with SiamRPN++'s 1.0 and 1.2 and DFAT's 0.1. Under ``stage: fusion`` only the fused branch has a
loss, as in the paper, where the other two are frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fusion_modules import FusionLoss
from rgbt_track.config.training import LossConfig
from rgbt_track.modalities import BRANCHES
from rgbt_track.models.losses import LossSums, best_boxes, branch_sums, iou_cxcywh
from rgbt_track.models.network import NetworkOutput

Share = Callable[[Tensor], Tensor]
_NONE = 1e-6  # divides sums of no addends, which are 0


class Criterion(nn.Module):
    """Network output and targets -> named scalars; ``total`` is the one to minimise.

    Args:
        config: weights of the terms.
        anchors: (k * S * S, 4) cx, cy, w, h from the crop's centre.
        branches: the branches that have a loss.
        has_feature_loss: whether eq. 15 is added; needs the fused branch.
    """

    anchors: Tensor

    def __init__(
        self,
        config: LossConfig,
        anchors: Tensor,
        branches: tuple[str, ...],
        has_feature_loss: bool,
    ):
        super().__init__()
        self.config = config
        self.branches = branches
        self.register_buffer("anchors", anchors, persistent=False)
        self.feature = FusionLoss(levels=config.feature_levels) if has_feature_loss else None

    def forward(
        self, output: NetworkOutput, batch: Mapping[str, Any], share: Share | None = None
    ) -> dict[str, Tensor]:
        """All terms of one batch, each a scalar; see ``PairDataset`` for the batch.

        ``share`` averages counts over ranks, so that every rank divides by the same.
        """
        names = [name for name in self.branches if name in output.responses]
        sums = {name: self._sums(output, batch, name) for name in names}
        counts = torch.stack([sums[name].counts for name in names])
        counts = (share(counts) if share else counts).clamp(min=_NONE)
        terms: dict[str, Tensor] = {}
        for row, name in enumerate(names):
            terms.update(self._terms(name, sums[name], counts[row]))
        total = torch.stack([self._weight(name) * term for name, term in terms.items()]).sum()
        if self.feature is not None:
            features = self._feature_terms(output)
            terms.update(features)
            total = total + self.config.feature * features["feature"]
        terms["total"] = total
        return terms

    def overlaps(self, output: NetworkOutput, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Mean overlap of each branch's best box with the target, over the positive pairs.

        0 where a batch has none.
        """
        positive = (~batch["negative"].bool()).float()
        found = {}
        for name in self.branches:
            if name in output.responses:
                boxes = best_boxes(output.responses[name], self.anchors)
                overlaps = iou_cxcywh(boxes, batch["box"]) * positive
                found[name] = overlaps.sum() / positive.sum().clamp(min=1)
        return found

    def _sums(self, output: NetworkOutput, batch: Mapping[str, Any], name: str) -> LossSums:
        labels = batch["labels"][:, BRANCHES.index(name)]
        return branch_sums(
            output.responses[name],
            labels,
            batch["loc"],
            self.anchors,
            self.config.regression,
            self.config.classification,
        )

    def _terms(self, name: str, sums: LossSums, counts: Tensor) -> dict[str, Tensor]:
        if self.config.classification == "quality":  # per target cell, as in GFL
            cls = (sums.positive + sums.negative) / counts[0]
        else:  # half from targets and half from background, as in pysot
            cls = 0.5 * sums.positive / counts[0] + 0.5 * sums.negative / counts[1]
        terms = {
            f"cls_{name}": cls,
            f"loc_{name}": sums.loc / counts[2],
        }
        if self.config.iou:
            terms[f"iou_{name}"] = sums.iou / counts[2]
        return terms

    def _weight(self, term: str) -> float:
        weights: dict[str, float] = {
            "cls": self.config.cls, "loc": self.config.loc, "iou": self.config.iou
        }  # fmt: skip
        return weights[term.split("_")[0]]

    def _feature_terms(self, output: NetworkOutput) -> dict[str, Tensor]:
        """Eq. 15 on the search levels; the single modalities' are targets, not taught."""
        assert self.feature is not None
        levels = output.search_levels
        terms = self.feature(levels["fused"], levels["rgb"], levels["tir"])
        return {
            "feature_shallow": terms["shallow"],
            "feature_middle": terms["middle"],
            "feature_deep": terms["deep"],
            "feature": terms["total"],
        }
