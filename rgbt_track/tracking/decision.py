"""Decision-level fusion: one response from those of the RGB, the infrared and the fused branch.

``fixed`` is DFAT's rule (Tang et al., Exploring Fusion Strategies for Accurate RGBT Visual Object
Tracking), with the fused branch joined as LRRNet's tracker does (TPAMI 2023, section 5.4); ``dfat``
keeps the factor of DFAT's code where there is no fused branch.
``adaptive`` and ``agreement`` are our own: they weigh each branch by how clear the peak of its
response is, and the second one joins only branches that agree on the box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import cxcywh_to_xywh, iou_xywh
from rgbt_track.config.tracker import DecisionConfig
from rgbt_track.models.engines.interface import BranchResponse, sigmoid
from rgbt_track.tracking.selection import Selection

Array = NDArray[np.floating]

_MEMORY = {"adaptive": 0.7, "agreement": 0.9}  # share of the past in a branch's confidence
_LOWEST_RELIABILITY = 0.05  # a branch that failed its calibration still counts where it is alone
_LOWEST_PROBABILITY = 1e-6  # keeps the mean of the offsets defined where all are background

Select = Callable[[Array, Array], list[Selection]]
"""Probabilities (B, k, S, S) and offsets (B, 4, k, S, S) of B responses -> the best anchor of each
after penalty and window."""


@dataclass(frozen=True)
class DecisionContext:
    """What a rule may use beside the responses.

    Args:
        select: the boxes, in crop pixels, that the tracker would select from responses, those of
            branches or joined ones.
        confidence: per branch, as the rule rated it on the last frame; empty on the first.
        reliability: per branch, its overlap with the target in the calibration; a branch that was
            not calibrated is missing.
        constants: the rule's constants.
    """

    select: Select
    confidence: Mapping[str, float] = field(default_factory=dict)
    reliability: Mapping[str, float] = field(default_factory=dict)
    constants: DecisionConfig = field(default_factory=DecisionConfig)


@dataclass(frozen=True)
class Decision:
    """Joined probabilities (k, S, S) in [0, 1] and offsets (4, k, S, S).

    ``confidence`` rates each branch, in [0, 1]; the rule gets it back on the next frame.
    """

    probability: Array
    loc: Array
    confidence: dict[str, float]


Rule = Callable[[Mapping[str, BranchResponse], DecisionContext], Decision]
"""Branch -> response, at least one, and the context -> the decision."""


def decide_fixed(responses: Mapping[str, BranchResponse], context: DecisionContext) -> Decision:
    """DFAT's fixed weights: half for the single modalities, half for the fused branch.

    Logits are averaged. The modalities count equally, but one that finds no anchor more likely
    target than background is left out, unless that leaves none. Offsets are the plain mean.
    """
    return _join_fixed(responses, 0.5 if len(responses) > 1 and "fused" in responses else 1.0)


def decide_dfat(responses: Mapping[str, BranchResponse], context: DecisionContext) -> Decision:
    """As ``fixed``, and two modalities without a fused branch make half of a logit.

    So DFAT's code has it, cls = 0.5 (w_r cls_r + w_i cls_i) / (w_r + w_i): probabilities are
    nearer to 0.5, beside which penalty and window count for more.
    """
    return _join_fixed(responses, 0.5 if len(responses) > 1 else 1.0)


def _join_fixed(responses: Mapping[str, BranchResponse], share: float) -> Decision:
    """The modalities weigh ``share`` together, and so does the fused branch."""
    single = [name for name in ("rgb", "tir") if name in responses]
    single = [name for name in single if responses[name].logit.max() > 0] or single
    weights = {name: share / len(single) if name in single else 0.0 for name in responses}
    if "fused" in responses:
        weights["fused"] = share
    logit = sum(weights[name] * response.logit for name, response in responses.items())
    loc = np.mean([response.loc for response in responses.values()], axis=0)
    return Decision(sigmoid(np.asarray(logit)), loc, weights)


def decide_adaptive(responses: Mapping[str, BranchResponse], context: DecisionContext) -> Decision:
    """Weigh each branch by how clearly its response shows one target, with a memory over frames.

    A branch's confidence is a running mean of its peak margin: low where the response has no peak,
    and where it has two. Its reliability is the overlap that it reached in the calibration, which
    shows a branch with a clear peak in the wrong place, as RGB has in smoke; 1 without one. Weights
    are confidence times reliability, each to its power (by default squared, and to the fourth),
    normalized. Logits are averaged with them, so that evidence against the target counts as much as
    evidence for it; offsets are averaged with weight times probability, so that an anchor's box
    comes from the branches that rate it as the target.
    """
    memory = memory_of("adaptive", context.constants)
    stacked = _stack(responses)
    confidence = _running_confidence(stacked, context, memory)
    weights = branch_weights(confidence, context.reliability, context.constants)
    return _join(stacked, list(weights.values()), confidence)


def decide_by_agreement(
    responses: Mapping[str, BranchResponse], context: DecisionContext
) -> Decision:
    """Join only branches that agree on the box; the group with the most confidence wins.

    A branch that is blind, or follows another object, can have as clear a peak as the others, so
    that averaging would follow it; what tells it apart is that no other branch selects its box.
    Every branch selects its own box; branches whose boxes overlap by more than ``agreement`` form
    the group of each. The group with the largest sum of confidence (running mean of the peak
    margin) times reliability wins; it is joined as in ``adaptive``, the other branches have no
    weight.
    """
    stacked = _stack(responses)
    selections = context.select(stacked.probability, stacked.loc)
    boxes = cxcywh_to_xywh([selection.box_cxcywh for selection in selections])
    constants = context.constants
    confidence = _running_confidence(stacked, context, memory_of("agreement", constants))
    agrees = iou_xywh(boxes[:, None], boxes) > constants.agreement
    np.fill_diagonal(agrees, True)
    groups = [
        [other for other, joins in zip(responses, row, strict=True) if joins] for row in agrees
    ]
    # Of equal groups the one around the branch with most votes, in a fixed order.
    reliability = _reliability(responses, context)
    votes = {name: confidence[name] * reliability[name] for name in responses}
    leaders = list(votes.values())
    sums = [sum(votes[name] for name in group) for group in groups]
    group = groups[max(range(len(groups)), key=lambda i: (sums[i], leaders[i]))]
    weights = branch_weights(confidence, context.reliability, context.constants)
    joined = [weights[name] if name in group else 0.0 for name in responses]
    return _join(stacked, joined, confidence)


class _Stacked(NamedTuple):
    """The responses of B branches: names, logits and probabilities (B, k, S, S), offsets."""

    names: tuple[str, ...]
    logit: Array
    probability: Array
    loc: Array


def _stack(responses: Mapping[str, BranchResponse]) -> _Stacked:
    logit = np.stack([response.logit for response in responses.values()])
    loc = np.stack([response.loc for response in responses.values()])
    return _Stacked(tuple(responses), logit, sigmoid(logit), loc)


def _running_confidence(
    stacked: _Stacked, context: DecisionContext, memory: float
) -> dict[str, float]:
    """Running mean of each branch's peak margin; ``memory`` is the share of the past."""
    constants, confidence = context.constants, {}
    for name, probability in zip(stacked.names, stacked.probability, strict=True):
        margin = peak_margin(probability, constants.peak_radius, constants.second_peak_weight)
        confidence[name] = memory * context.confidence.get(name, margin) + (1 - memory) * margin
    return confidence


def _reliability(
    responses: Mapping[str, BranchResponse], context: DecisionContext
) -> dict[str, float]:
    """Each branch's overlap in the calibration, above 0; 1 without one."""
    return {
        name: max(context.reliability.get(name, 1.0), _LOWEST_RELIABILITY) for name in responses
    }


def branch_weights(
    confidence: Mapping[str, float], reliability: Mapping[str, float], constants: DecisionConfig
) -> dict[str, float]:
    """What ``adaptive`` weighs each branch by: confidence times reliability, each to its power.

    ``confidence`` and ``reliability`` are those of a ``TrackState``; the weights do not add to 1.
    """
    return {
        name: value**constants.confidence_power
        * max(reliability.get(name, 1.0), _LOWEST_RELIABILITY) ** constants.reliability_power
        for name, value in confidence.items()
    }


def _join(stacked: _Stacked, weights: list[float], confidence: dict[str, float]) -> Decision:
    """Weighted mean of the logits, and of the offsets with weight times probability."""
    weight = np.array(weights)[:, None, None, None]
    weight /= weight.sum()
    logit = (weight * stacked.logit).sum(0)
    # Where every branch rates an anchor as background, each counts by its weight.
    share = weight * np.maximum(stacked.probability, _LOWEST_PROBABILITY)
    loc = (share[:, None] * stacked.loc).sum(0) / share.sum(0)
    return Decision(sigmoid(logit), loc, confidence)


def memory_of(rule: str, constants: DecisionConfig) -> float:
    """The share of the past in a branch's confidence: as set, or the rule's own."""
    return _MEMORY.get(rule, 0.0) if constants.memory is None else constants.memory


def peak_margin(probability: Array, radius: int = 3, second_peak_weight: float = 0.5) -> float:
    """Height of the peak less a share of the second peak's; (k, S, S) -> (0, 1].

    The second peak is the highest probability more than ``radius`` cells from the first.
    """
    highest = probability.max(axis=0)
    row, column = np.unravel_index(highest.argmax(), highest.shape)
    peak = float(highest[row, column])
    rows = slice(max(row - radius, 0), row + radius + 1)
    columns = slice(max(column - radius, 0), column + radius + 1)
    highest[rows, columns] = 0.0
    return max(peak - second_peak_weight * float(highest.max()), 1e-6)


DECISIONS: dict[str, Rule] = {
    "fixed": decide_fixed,
    "dfat": decide_dfat,
    "adaptive": decide_adaptive,
    "agreement": decide_by_agreement,
}
