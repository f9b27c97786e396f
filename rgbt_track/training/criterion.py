"""The training loss: the branches' SiamRPN++ losses and a feature loss on the fused levels.

    sum over branches of (cls * CE + loc * L1 [+ iou * (1 - IoU)])  +  feature * eq. 15 (or RFN's)
    [+ sum over branches of (distill_response * KL + distill_box * (1 - IoU)), to a teacher]

with SiamRPN++'s 1.0 and 1.2 and DFAT's 0.1. Under ``stage: fusion`` only the fused branch has a
loss, as in the paper, where the other two are frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fusion_modules import FusionLoss, ResidualLoss
from rgbt_track.config.training import LossConfig
from rgbt_track.modalities import BRANCHES
from rgbt_track.models.distillation import distillation_sums
from rgbt_track.models.losses import best_boxes, branch_sums, iou_cxcywh
from rgbt_track.models.network import NetworkOutput

Share = Callable[[Tensor], Tensor]
_MIN_COUNT = 1e-6  # divides sums over no anchors, which are 0


class Criterion(nn.Module):
    """Network output and targets -> named scalars; ``total`` is the one to minimize.

    Args:
        config: weights of the terms.
        anchors: (k * S * S, 4) cx, cy, w, h from the crop's center.
        branches: the branches that have a loss.
        has_feature_loss: whether the feature loss is added; needs the fused branch.
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
        self.feature = _feature_loss(config) if has_feature_loss else None

    def forward(
        self, output: NetworkOutput, batch: Mapping[str, Any], share: Share | None = None
    ) -> dict[str, Tensor]:
        """All terms of one batch, each a scalar; see ``PairDataset`` for the batch.

        ``share`` averages counts over ranks, so that every rank divides by the same.
        """
        config = self.config
        # Sums and counts of each branch over this rank's pairs; counts are shared by all ranks.
        names = [name for name in self.branches if name in output.responses]
        sums = {
            name: branch_sums(
                output.responses[name],
                batch["labels"][:, BRANCHES.index(name)],
                batch["loc"],
                self.anchors,
                config.regression,
                config.classification,
            )
            for name in names
        }
        counts = torch.stack([sums[name].counts for name in names])
        counts = (share(counts) if share else counts).clamp(min=_MIN_COUNT)
        # The losses of each branch: means over its anchors, and over items with a target.
        terms: dict[str, Tensor] = {}
        weighted = []
        for name, (positives, negatives, items) in zip(names, counts, strict=True):
            branch = sums[name]
            if config.classification == "quality":  # per target anchor, as in GFL
                cls = (branch.positive + branch.negative) / positives
            else:  # half from targets and half from background, as in pysot
                cls = 0.5 * branch.positive / positives + 0.5 * branch.negative / negatives
            terms[f"cls_{name}"] = cls
            terms[f"loc_{name}"] = branch.loc / items
            weighted += [config.cls * cls, config.loc * terms[f"loc_{name}"]]
            if config.iou:
                terms[f"iou_{name}"] = branch.iou / items
                weighted.append(config.iou * terms[f"iou_{name}"])
        # Each branch beside the teacher.
        if config.distills:
            distilled = self._distillation(output, batch, names, share)
            terms.update(distilled)
            for name in names:
                weighted.append(config.distill_response * distilled[f"distill_response_{name}"])
                weighted.append(config.distill_box * distilled[f"distill_box_{name}"])
        total = torch.stack(weighted).sum()
        # The feature loss; the single modalities' levels are targets.
        if self.feature is not None:
            features = self._features(self.feature, output)
            terms.update({f"feature_{part}": value for part, value in features.items()})
            terms["feature"] = terms.pop("feature_total")
            total = total + config.feature * terms["feature"]
        terms["total"] = total
        return terms

    def _features(self, loss: nn.Module, output: NetworkOutput) -> dict[str, Tensor]:
        """The parts and the ``total`` of the feature loss, summed over its sides."""
        place = "backbone" if self.config.feature_at == "backbone" else "levels"
        sides = [getattr(output, f"{side}_{place}") for side in self.config.feature_sides]
        parts = [loss(levels["fused"], levels["rgb"], levels["tir"]) for levels in sides]
        return {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}

    def _distillation(
        self,
        output: NetworkOutput,
        batch: Mapping[str, Any],
        names: list[str],
        share: Share | None,
    ) -> dict[str, Tensor]:
        """``distill_response_<branch>`` and ``distill_box_<branch>``, 0 without any answer."""
        targets = batch["teacher"]
        sums = []
        for name in names:
            row = BRANCHES.index(name)
            sums.append(
                distillation_sums(
                    output.responses[name],
                    targets["probability"][:, row],
                    targets["boxes"][:, row],
                    targets["weight"][:, row],
                    self.anchors,
                )
            )
        counts = torch.stack([branch.counts for branch in sums])
        counts = (share(counts) if share else counts).clamp(min=_MIN_COUNT)
        terms = {}
        for name, branch, (target, background, box) in zip(names, sums, counts, strict=True):
            response = 0.5 * branch.target / target + 0.5 * branch.background / background
            terms[f"distill_response_{name}"] = response
            terms[f"distill_box_{name}"] = branch.box / box
        return terms

    def overlaps(self, output: NetworkOutput, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Mean overlap of each branch's best box with the target, over the positive pairs.

        0 where a batch has none.
        """
        positive = (~batch["negative"].bool()).float()
        means = {}
        for name in self.branches:
            if name in output.responses:
                boxes = best_boxes(output.responses[name], self.anchors)
                overlaps = iou_cxcywh(boxes, batch["box"]) * positive
                means[name] = overlaps.sum() / positive.sum().clamp(min=1)
        return means


def _feature_loss(config: LossConfig) -> nn.Module:
    """Eq. 15 of LRRNet, or RFN's loss."""
    if config.feature_kind == "rfn":
        return ResidualLoss()
    return FusionLoss(levels=config.feature_levels)
