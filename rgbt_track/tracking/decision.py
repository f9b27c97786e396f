"""Decision-level fusion: one response out of those of the RGB, the infrared and the fused branch.

Two rules. ``fixed`` is DFAT's (Tang et al., Exploring Fusion Strategies for Accurate RGBT Visual
Object Tracking), with the fused branch joined as LRRNet's tracker does (TPAMI 2023, section 5.4).
``adaptive`` is our own: it trusts the branch whose response still has one clear peak.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_LOBE = 3  # cells around the peak that belong to it
_RIVAL = 0.5  # how much of the second peak counts against a branch
_MEMORY = 0.7  # share of the past in a branch's trust
_LEAST_PROOF = 0.05  # a branch that failed its test is still heard where no other is there
_LEAST_BELIEF = 1e-6  # keeps the mean of the offsets defined where no branch believes

_UNTESTED: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class BranchResponse:
    """One branch's answer: logits (2, k, S, S), background first, and offsets (4, k, S, S)."""

    cls: Array
    loc: Array

    @property
    def logit(self) -> Array:
        """Foreground against background, (k, S, S): the softmax of the two is its sigmoid."""
        return self.cls[1] - self.cls[0]


@dataclass(frozen=True)
class Decision:
    """Joined probabilities (k, S, S) in [0, 1] and offsets (4, k, S, S).

    ``trust`` says how far each branch is trusted, in [0, 1]; the next frame is given it back.
    """

    probability: Array
    loc: Array
    trust: dict[str, float]


def sigmoid(logit: Array) -> Array:
    """Logistic function that does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logit))


def decide_fixed(
    branches: Mapping[str, BranchResponse],
    past: Mapping[str, float],
    proof: Mapping[str, float] = _UNTESTED,
) -> Decision:
    """DFAT's fixed weights: half for the single modalities, half for the fused branch.

    Logits are averaged. The modalities count equally, but one that finds no anchor more likely
    target than background is left out, unless that leaves none. Offsets are the plain mean.
    """
    seeing = [name for name in ("rgb", "tir") if name in branches]
    seeing = [name for name in seeing if branches[name].logit.max() > 0] or seeing
    share = 0.5 if seeing and "fused" in branches else 1.0
    weights = {name: share / len(seeing) if name in seeing else 0.0 for name in branches}
    if "fused" in branches:
        weights["fused"] = share
    logit = sum(weights[name] * branch.logit for name, branch in branches.items())
    loc = np.mean([branch.loc for branch in branches.values()], axis=0)
    return Decision(sigmoid(np.asarray(logit)), loc, weights)


def decide_adaptive(
    branches: Mapping[str, BranchResponse],
    past: Mapping[str, float],
    proof: Mapping[str, float] = _UNTESTED,
) -> Decision:
    """Weigh each branch by how clearly it sees one target, with a memory over frames.

    A branch's clarity is its highest probability less half of the highest one away from that
    peak: a blind branch has no peak, a confused one has two. Its trust is a running mean of the
    clarity. Its proof is the overlap that it reached when the tracker tested it
    (``test_branches``), which shows a branch that is sure of the wrong box, as RGB is in smoke; 1
    without a test. Weights are trust squared times proof to the fourth, normalised. Logits are
    averaged with them, so that a branch's strong doubt counts as much as its belief; offsets are
    averaged with weight times probability, so that an anchor's box comes from the branches that
    believe in it.
    """
    probability = {name: sigmoid(branch.logit) for name, branch in branches.items()}
    trust = {}
    for name, field in probability.items():
        clear = clarity(field)
        trust[name] = _MEMORY * past.get(name, clear) + (1 - _MEMORY) * clear
    proofs = {name: max(proof.get(name, 1.0), _LEAST_PROOF) for name in branches}
    weight = np.array([trust[name] ** 2 * proofs[name] ** 4 for name in branches])
    weight = weight[:, None, None, None]
    weight /= weight.sum()
    logit = (weight * np.stack([branch.logit for branch in branches.values()])).sum(0)
    belief = weight * np.maximum(np.stack(list(probability.values())), _LEAST_BELIEF)
    loc = np.stack([branch.loc for branch in branches.values()])
    loc = (belief[:, None] * loc).sum(0) / belief.sum(0)
    return Decision(sigmoid(logit), loc, trust)


def clarity(probability: Array) -> float:
    """Height of the peak less half of the highest value away from it; (k, S, S) -> (0, 1]."""
    field = probability.max(axis=0)
    row, column = np.unravel_index(field.argmax(), field.shape)
    peak = float(field[row, column])
    elsewhere = field.copy()
    rows = slice(max(row - _LOBE, 0), row + _LOBE + 1)
    columns = slice(max(column - _LOBE, 0), column + _LOBE + 1)
    elsewhere[rows, columns] = 0.0
    return max(peak - _RIVAL * float(elsewhere.max()), 1e-6)


Rule = Callable[[Mapping[str, BranchResponse], Mapping[str, float], Mapping[str, float]], Decision]

DECISIONS: dict[str, Rule] = {
    "fixed": decide_fixed,
    "adaptive": decide_adaptive,
}
