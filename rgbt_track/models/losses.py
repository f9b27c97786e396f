"""SiamRPN++'s losses on one branch's response, as sums to be divided by counts over all ranks.

Classification is pysot's: cross-entropy over the chosen anchors, half from targets and half from
background however many there are of each. Regression is the L1 distance of the offsets summed over
the four, averaged over the target anchors of each item (weights 1 / count) and over items; or
smooth L1; and, as an option, 1 - IoU of the decoded boxes. Sums and counts are apart, so that ranks
of a distributed run can share the counts and give the same loss as one process with all items.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_track.models.anchors import decode_offsets
from rgbt_track.models.interface import Response


@dataclass(frozen=True)
class LossSums:
    """Scalars of one branch on this rank; ``counts`` (3,) are target and background anchors, and
    items with a target."""

    positive: Tensor
    negative: Tensor
    loc: Tensor
    iou: Tensor
    counts: Tensor


def branch_sums(
    response: Response, labels: Tensor, loc: Tensor, anchors: Tensor, regression: str = "l1"
) -> LossSums:
    """Losses of one branch.

    Args:
        response: logits (B, 2 k, S, S) and offsets (B, 4 k, S, S).
        labels: (B, k, S, S), 1 target, 0 background, -1 not used.
        loc: (B, 4, k, S, S), the offsets to learn.
        anchors: (k * S * S, 4) cx, cy, w, h.
        regression: "l1" or "smooth_l1".
    """
    batch, count, size, _ = labels.shape
    logits = response.cls.float().reshape(batch, 2, count, size, size)
    margin = logits[:, 1] - logits[:, 0]
    target, background = labels == 1, labels == 0
    offsets = response.loc.float().reshape(batch, 4, count, size, size)
    weights = _item_weights(target)
    return LossSums(
        positive=F.softplus(-margin[target]).sum(),
        negative=F.softplus(margin[background]).sum(),
        loc=(_distance(offsets, loc, regression) * weights).sum(),
        iou=_iou_sum(offsets, loc, anchors, target, weights),
        counts=torch.stack(
            [target.sum(), background.sum(), target.flatten(1).any(1).sum()]
        ).float(),
    )


def _item_weights(target: Tensor) -> Tensor:
    """(B, k, S, S): 1 / (target anchors of the item) on those, 0 elsewhere."""
    counts = target.flatten(1).sum(1).clamp(min=1).view(-1, 1, 1, 1)
    return target.float() / counts


def _distance(offsets: Tensor, loc: Tensor, regression: str) -> Tensor:
    """(B, 4, k, S, S) twice -> (B, k, S, S), summed over the four."""
    if regression == "smooth_l1":
        return F.smooth_l1_loss(offsets, loc, reduction="none", beta=1.0 / 9.0).sum(1)
    return (offsets - loc).abs().sum(1)


def _iou_sum(
    offsets: Tensor, loc: Tensor, anchors: Tensor, target: Tensor, weights: Tensor
) -> Tensor:
    where = target.nonzero(as_tuple=True)
    flat = (where[1] * target.shape[2] + where[2]) * target.shape[3] + where[3]
    chosen = anchors[flat]
    found = decode_offsets(offsets[where[0], :, where[1], where[2], where[3]], chosen)
    wanted = decode_offsets(loc[where[0], :, where[1], where[2], where[3]], chosen)
    return ((1 - iou_cxcywh(found, wanted)) * weights[target]).sum()


def iou_cxcywh(a: Tensor, b: Tensor) -> Tensor:
    """Overlap of boxes (N, 4) with boxes (N, 4), in [0, 1]; differentiable."""
    low = torch.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = torch.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    overlap = (high - low).clamp(min=0).prod(1)
    union = a[:, 2:].prod(1) + b[:, 2:].prod(1) - overlap
    return overlap / union.clamp(min=1e-9)


def best_boxes(response: Response, anchors: Tensor) -> Tensor:
    """The box of each item's most probable anchor, (B, 4) cx, cy, w, h from the crop's center."""
    batch, channels = response.cls.shape[0], response.cls.shape[1]
    logits = response.cls.float().reshape(batch, 2, channels // 2, *response.cls.shape[2:])
    best = (logits[:, 1] - logits[:, 0]).flatten(1).argmax(1)
    offsets = response.loc.float().reshape(batch, 4, -1)
    chosen = offsets[torch.arange(batch, device=best.device), :, best]
    return decode_offsets(chosen, anchors[best])
