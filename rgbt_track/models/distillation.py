"""Distillation: what a branch's response has to learn from a teacher's on the same search crop.

Cell by cell. The score of a cell's best anchor follows the teacher's probability, by the divergence
of the two Bernoulli distributions (Kullback-Leibler), half of it from cells that the teacher takes
for the target and half from the others, each weighed by how sure it is. The box of that anchor
follows the teacher's, by 1 - IoU, weighed by its probability. Sums and counts are apart, as those
of ``losses``, so that ranks of a distributed run can share the counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_track.models.anchors import decode_offsets
from rgbt_track.models.interface import Response
from rgbt_track.models.losses import iou_cxcywh

_LEAST_PROBABILITY = 0.1  # of a cell whose box is worth learning


@dataclass(frozen=True)
class DistillationSums:
    """Scalars of one branch on this rank.

    Args:
        target: divergence of the cells, weighed by the teacher's probability.
        background: the same, weighed by 1 - its probability.
        box: 1 - IoU, weighed by its probability.
        counts: (3,) the sums of these three weights.
    """

    target: Tensor
    background: Tensor
    box: Tensor
    counts: Tensor


def distillation_sums(
    response: Response, probability: Tensor, boxes: Tensor, weight: Tensor, anchors: Tensor
) -> DistillationSums:
    """Distillation terms of one branch.

    Args:
        response: logits (B, 2 k, S, S) and offsets (B, 4 k, S, S) of the student.
        probability: (B, S, S) of the teacher, at the student's cells.
        boxes: (B, 4, S, S) of the teacher there, cx, cy, w, h from the crop's center.
        weight: (B,) of the items; 0 for those that the teacher says nothing about.
        anchors: (k * S * S, 4) cx, cy, w, h.
    """
    batch, size = len(weight), probability.shape[-1]
    logits = response.cls.float().reshape(batch, 2, -1, size, size)
    margin, best = (logits[:, 1] - logits[:, 0]).max(1)  # (B, S, S): of each cell's best anchor
    weight = weight.view(-1, 1, 1)
    # Score: the cross-entropy less the teacher's own entropy, which is its least value.
    divergence = _cross_entropy(margin, probability) - _entropy(probability)
    target, background = weight * probability, weight * (1 - probability)
    # Box: of the best anchor, where the teacher sees the target.
    box_weight = target * (probability >= _LEAST_PROBABILITY)
    item, row, column = box_weight.nonzero(as_tuple=True)
    anchor = best[item, row, column]
    offsets = response.loc.float().reshape(batch, 4, -1, size, size)
    flat = (anchor * size + row) * size + column
    student = decode_offsets(offsets[item, :, anchor, row, column], anchors[flat])
    overlaps = iou_cxcywh(student, boxes[item, :, row, column])
    return DistillationSums(
        target=(target * divergence).sum(),
        background=(background * divergence).sum(),
        box=(box_weight[item, row, column] * (1 - overlaps)).sum(),
        counts=torch.stack([target.sum(), background.sum(), box_weight.sum()]),
    )


def _cross_entropy(margin: Tensor, probability: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(margin, probability, reduction="none")


def _entropy(probability: Tensor) -> Tensor:
    complement = 1 - probability
    return -(torch.xlogy(probability, probability) + torch.xlogy(complement, complement))
