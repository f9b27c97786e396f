"""The engine of every runtime that runs exported graphs; numpy alone.

Which graphs there are, and what their inputs and outputs are called, says ``graphs.py``. A runtime
is a ``GraphRunner``; this file decides which graph answers which of the tracker's questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rgbt_track.modalities import MODALITIES
from rgbt_track.models.engines.interface import BranchResponse, InputCrops, Template
from rgbt_track.models.grid import required_target

Arrays: TypeAlias = dict[str, NDArray[np.float32]]

SINGLE = "_single"
_KINDS = ("template", "kernels", "search")


def graph_names(branches: Sequence[str]) -> list[str]:
    """The graphs that a network with these branches has."""
    joint = list(_KINDS) if _is_joint(branches) else []
    single = [kind + SINGLE for kind in _KINDS] if set(branches) & set(MODALITIES) else []
    return joint + single


class GraphRunner(Protocol):
    """Runs graphs by name."""

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        """Outputs by name; the arrays are the caller's. All inputs are batches of one size."""
        ...


class GraphEngine:
    """An ``Engine`` on a runner of graphs; a branch's template is its named levels and kernels.

    Args:
        runner: runs the graphs of ``graph_names(branches)``.
        branches: the network's branches, any of "rgb", "tir", "fused".
        takes_target: whether the template graphs take the target's box.
        digest: gives a digest of the weights; asked once, when it is needed.
    """

    def __init__(
        self,
        runner: GraphRunner,
        branches: Sequence[str],
        takes_target: bool = False,
        digest: Callable[[], str] = str,
    ) -> None:
        self.runner = runner
        self.branches = tuple(branches)
        self.takes_target = takes_target
        self._digest = digest

    @cached_property
    def identity(self) -> str:
        """Of ``IdentifiedEngine``; the same for all runtimes, whose arrays differ by rounding."""
        return f"graphs {self._digest()}"

    def template(self, crops: InputCrops, target: NDArray[np.float32] | None = None) -> Template:
        box: Arrays = {}
        if self.takes_target:
            box = {"target": required_target(target)}
        if _is_joint(self.branches) and len(crops) == len(MODALITIES):
            return _by_branch(self.runner.run("template", {**crops, **box}), self.branches)
        return {
            name: self.runner.run("template" + SINGLE, {"crop": crop, **box})
            for name, crop in crops.items()
            if name in self.branches
        }

    def blend(self, first: Template, present: Template, rate: float) -> Template:
        levels = {
            branch: {
                name: value + np.float32(rate) * (present[branch][name] - value)
                for name, value in first[branch].items()
                if name.startswith("level")
            }
            for branch in first
            if branch in present
        }
        kernels = self._run("kernels", levels, {})
        return {**first, **{name: {**levels[name], **kernels[name]} for name in levels}}

    def search(self, template: Template, crops: InputCrops) -> dict[str, BranchResponse]:
        return {
            name: BranchResponse.from_batch(arrays["cls"], arrays["loc"])
            for name, arrays in self._search(template, crops).items()
        }

    def _search(self, template: Template, crops: InputCrops) -> dict[str, Arrays]:
        """The outputs of every branch that has both, in the order of the branches."""
        kernels = {
            branch: {key: value for key, value in features.items() if key.startswith("kernel")}
            for branch, features in template.items()
            if branch in crops or (branch == "fused" and len(crops) == len(MODALITIES))
        }
        outputs = self._run("search", kernels, crops)
        return {name: outputs[name] for name in self.branches if name in outputs}

    def _run(self, kind: str, inputs: Mapping[str, Arrays], crops: InputCrops) -> dict[str, Arrays]:
        """Run a graph on the inputs of some branches -> their outputs by branch."""
        whole = "fused" in inputs or len(inputs) == len(self.branches) > 1
        if not whole:
            return {
                name: self.runner.run(
                    kind + SINGLE, {**({"crop": crops[name]} if crops else {}), **arrays}
                )
                for name, arrays in inputs.items()
            }
        # A branch without a template is given zeros, and what it answers is dropped.
        like = next(iter(inputs.values()))
        zeros = {name: np.zeros_like(value) for name, value in like.items()}
        feeds = {
            f"{branch}_{name}": value
            for branch in self.branches
            for name, value in inputs.get(branch, zeros).items()
        }
        outputs = _by_branch(self.runner.run(kind, {**crops, **feeds}), self.branches)
        return {name: outputs[name] for name in inputs}


class BatchedGraphEngine(GraphEngine):
    """A ``GraphEngine`` whose runner has its search graphs for any number of targets."""

    def search_batch(
        self, templates: Sequence[Template], crops: Sequence[InputCrops]
    ) -> list[dict[str, BranchResponse]]:
        """Of ``BatchEngine``."""
        batch = {name: np.concatenate([images[name] for images in crops]) for name in crops[0]}
        joined = {
            branch: {
                key: np.concatenate([template[branch][key] for template in templates])
                for key in features
                if key.startswith("kernel")
            }
            for branch, features in templates[0].items()
        }
        outputs = self._search(joined, batch)
        return [
            {
                name: BranchResponse.from_batch(arrays["cls"][i : i + 1], arrays["loc"][i : i + 1])
                for name, arrays in outputs.items()
            }
            for i in range(len(crops))
        ]


def _is_joint(branches: Sequence[str]) -> bool:
    """Whether there is anything to compute of both modalities at once."""
    return tuple(branches) not in [(name,) for name in MODALITIES]


def _by_branch(outputs: Arrays, branches: Sequence[str]) -> dict[str, Arrays]:
    return {
        branch: {
            name.removeprefix(f"{branch}_"): value
            for name, value in outputs.items()
            if name.startswith(f"{branch}_")
        }
        for branch in branches
    }
