"""The seam between the tracker and whatever runs its network: a template and a search side.

The tracker knows an ``Engine`` and nothing of torch. ``TorchEngine`` (``torch_engine.py``) runs a
network built by ``build_network``; a runtime for exported networks implements the same three calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

InputCrops: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Modality ("rgb", "tir") -> its crop (1, 3, S, S), RGB order, 0..255; a thermal crop repeats its
one channel. A missing modality is an absent key, and takes the fused branch with it."""

Template: TypeAlias = dict[str, Any]
"""Branch -> its template features, in whatever form the engine keeps them. The tracker only joins
and splits these dicts by branch."""


def sigmoid(logit: Array) -> Array:
    """Logistic function that does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logit))


class BranchResponse(NamedTuple):
    """Response of one branch: logits (2, k, S, S), background first, and offsets (4, k, S, S).

    The offsets are those of ``anchors.decode_centers`` and ``anchors.decode_sizes``.
    """

    cls: Array
    loc: Array

    @classmethod
    def from_batch(cls, logits: Array, offsets: Array) -> BranchResponse:
        """Of a head's outputs for one crop, (1, 2 k, S, S) and (1, 4 k, S, S)."""
        size = logits.shape[-1]
        return cls(logits.reshape(2, -1, size, size), offsets.reshape(4, -1, size, size))

    @property
    def logit(self) -> Array:
        """Foreground against background, (k, S, S): the softmax of the two is its sigmoid."""
        return self.cls[1] - self.cls[0]

    @property
    def probability(self) -> Array:
        """Probability of each anchor to be the target, (k, S, S) in [0, 1]."""
        return sigmoid(self.logit)

    @property
    def is_finite(self) -> bool:
        """Whether no logit and no offset is NaN or infinite."""
        return bool(np.isfinite(self.cls).all() and np.isfinite(self.loc).all())


@runtime_checkable
class IdentifiedEngine(Protocol):
    """An ``Engine`` that says which others can go on with its templates."""

    @property
    def identity(self) -> str:
        """Equal for engines of the same weights that keep template features in the same form."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Runs a network for the tracker; holds no state between calls."""

    def template(self, crops: InputCrops, target: NDArray[np.float32] | None = None) -> Template:
        """Template features of every branch that the network has and the crops allow.

        ``target`` (1, 4) is the target's cx, cy, w, h in pixels from the crops' center; networks
        with ``target_encoding`` need it, others ignore it.
        """
        ...

    def blend(self, first: Template, present: Template, rate: float) -> Template:
        """Template update: the features of ``first`` moved by ``rate`` in [0, 1] to ``present``.

        A branch that ``present`` lacks stays as it is in ``first``; one that ``first`` lacks is
        left out.
        """
        ...

    def search(self, template: Template, crops: InputCrops) -> dict[str, BranchResponse]:
        """The response of every branch that has both template features and crops."""
        ...
