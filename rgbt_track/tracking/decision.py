"""Decision-level fusion: one response from those of the RGB, the infrared and the fused branch.

``fixed`` is DFAT's rule (Tang et al., Exploring Fusion Strategies for Accurate RGBT Visual Object
Tracking), with the fused branch joined as LRRNet's tracker does (TPAMI 2023, section 5.4).
``adaptive`` is our own: it weighs each branch by how clear the peak of its response is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rgbt_track.models.engine import BranchResponse, sigmoid
from rgbt_track.tracking.selection import Selection

Array = NDArray[np.floating]

_PEAK_RADIUS = 3  # cells around the peak that belong to it
_SECOND_PEAK_WEIGHT = 0.5  # how much of the second peak counts against a branch
_MEMORY = 0.7  # share of the past in a branch's confidence
_LOWEST_RELIABILITY = 0.05  # a branch that failed its calibration still counts where it is alone
_LOWEST_PROBABILITY = 1e-6  # keeps the mean of the offsets defined where every branch says no

Select = Callable[[Array, Array], Selection]
"""Probabilities (k, S, S) and offsets (4, k, S, S) -> the best anchor after penalty and window."""


@dataclass(frozen=True)
class DecisionContext:
    """What a rule may use beside the responses.

    Args:
        select: the box, in crop pixels, that the tracker would select from a response, a branch's
            or a joined one.
        confidence: per branch, as the rule rated it on the last frame; empty on the first.
        reliability: per branch, its overlap with the target in the calibration; a branch that was
            not calibrated is missing.
    """

    select: Select
    confidence: Mapping[str, float] = field(default_factory=dict)
    reliability: Mapping[str, float] = field(default_factory=dict)


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
    single = [name for name in ("rgb", "tir") if name in responses]
    single = [name for name in single if responses[name].logit.max() > 0] or single
    share = 0.5 if single and "fused" in responses else 1.0
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
    are confidence squared times reliability to the fourth, normalized. Logits are averaged with
    them, so that a branch's strong no counts as much as its yes; offsets are averaged with weight
    times probability, so that an anchor's box comes from the branches that say yes to it.
    """
    probabilities = {name: response.probability for name, response in responses.items()}
    # Confidence: the running mean of the peak margins.
    confidence = {}
    for name, probability in probabilities.items():
        margin = peak_margin(probability)
        confidence[name] = _MEMORY * context.confidence.get(name, margin) + (1 - _MEMORY) * margin
    # Weights of the branches, (branches, 1, 1, 1).
    reliability = {
        name: max(context.reliability.get(name, 1.0), _LOWEST_RELIABILITY) for name in responses
    }
    weight = np.array([confidence[name] ** 2 * reliability[name] ** 4 for name in responses])
    weight = weight[:, None, None, None]
    weight /= weight.sum()
    # Mean of the logits, and of the offsets where a branch says yes.
    logit = (weight * np.stack([response.logit for response in responses.values()])).sum(0)
    share = weight * np.maximum(np.stack(list(probabilities.values())), _LOWEST_PROBABILITY)
    loc = np.stack([response.loc for response in responses.values()])
    loc = (share[:, None] * loc).sum(0) / share.sum(0)
    return Decision(sigmoid(logit), loc, confidence)


def peak_margin(probability: Array) -> float:
    """Height of the peak less half of the second peak's; (k, S, S) -> (0, 1]."""
    highest = probability.max(axis=0)
    row, column = np.unravel_index(highest.argmax(), highest.shape)
    peak = float(highest[row, column])
    rows = slice(max(row - _PEAK_RADIUS, 0), row + _PEAK_RADIUS + 1)
    columns = slice(max(column - _PEAK_RADIUS, 0), column + _PEAK_RADIUS + 1)
    highest[rows, columns] = 0.0
    return max(peak - _SECOND_PEAK_WEIGHT * float(highest.max()), 1e-6)


DECISIONS: dict[str, Rule] = {
    "fixed": decide_fixed,
    "adaptive": decide_adaptive,
}
