"""SiamRPN++'s losses on one branch's response, as sums to be divided by counts over all ranks.

Classification is pysot's: cross-entropy over the chosen anchors, half from targets and half from
background however many there are of each. Regression is the L1 distance of the offsets summed over
the four, averaged over the target anchors of each item (weights 1 / count) and over items; or
smooth L1; and, as an option, 1 - IoU of the decoded boxes. With "quality" the score of a target
anchor learns the overlap of its own box instead. Sums and counts are apart, so that ranks of a
distributed run can share the counts and give the same loss as one process with all items.
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
    """Sums of one branch on this rank.

    Args:
        positive, negative: classification losses of the target and of the background anchors.
        loc: distances of the offsets, each item's divided by its number of target anchors.
        iou: 1 - IoU of the decoded boxes, divided likewise.
        counts: (3,), numbers of target and of background anchors and of items with a target.
    """

    positive: Tensor
    negative: Tensor
    loc: Tensor
    iou: Tensor
    counts: Tensor


def branch_sums(
    response: Response,
    labels: Tensor,
    loc: Tensor,
    anchors: Tensor,
    regression: str = "l1",
    classification: str = "cross_entropy",
) -> LossSums:
    """Losses of one branch.

    Args:
        response: logits (B, 2 k, S, S) and offsets (B, 4 k, S, S).
        labels: (B, k, S, S), 1 target, 0 background, -1 not used.
        loc: (B, 4, k, S, S), the offsets to learn.
        anchors: (k * S * S, 4) cx, cy, w, h.
        regression: "l1" or "smooth_l1".
        classification: "cross_entropy" or "quality".
    """
    batch, count, size, _ = labels.shape
    logits = response.cls.float().reshape(batch, 2, count, size, size)
    margin = logits[:, 1] - logits[:, 0]
    target, background = labels == 1, labels == 0
    offsets = response.loc.float().reshape(batch, 4, count, size, size)
    weights = _item_weights(target)
    overlaps = _overlaps(offsets, loc, anchors, target)
    if classification == "quality":
        positive = _quality_focal(margin[target], overlaps.detach())
        negative = _quality_focal(margin[background], torch.zeros_like(margin[background]))
    else:
        positive, negative = F.softplus(-margin[target]), F.softplus(margin[background])
    return LossSums(
        positive=positive.sum(),
        negative=negative.sum(),
        loc=(_distance(offsets, loc, regression) * weights).sum(),
        iou=((1 - overlaps) * weights[target]).sum(),
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


def _quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Quality focal loss with power 2 (Li et al., NeurIPS 2020): the score is to be ``quality``."""
    error = (quality - logits.sigmoid()).abs()
    return error**2 * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def _overlaps(offsets: Tensor, loc: Tensor, anchors: Tensor, target: Tensor) -> Tensor:
    """(P,) IoU of the boxes of the P target anchors with the boxes they should have."""
    item, anchor, row, column = target.nonzero(as_tuple=True)
    flat = (anchor * target.shape[2] + row) * target.shape[3] + column
    boxes, labels = (
        decode_offsets(values[item, :, anchor, row, column], anchors[flat])
        for values in (offsets, loc)
    )
    return iou_cxcywh(boxes, labels)


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
    best_offsets = offsets[torch.arange(batch, device=best.device), :, best]
    return decode_offsets(best_offsets, anchors[best])
