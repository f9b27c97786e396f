"""A network as graphs of named tensors: what every exported form of it is made of.

A runtime runs those graphs that it needs. The ``_single`` ones see one modality, whichever, as both
go through the same backbone, neck and head; the others see both at once::

    template     rgb, tir, [target]             -> {branch}_level{i}, {branch}_kernel{i}_cls, .._loc
    kernels      {branch}_level{i}              -> {branch}_kernel{i}_cls, {branch}_kernel{i}_loc
    search       rgb, tir, the kernels          -> {branch}_cls, {branch}_loc
    .._single    the same, the crop's name being "crop", the others without their "{branch}_"

Crops are (1, 3, X, X) float32, RGB order, 0..255; search crops of any size that fits the grid.
``target`` (1, 4), of networks with ``target_encoding``, is the target's cx, cy, w, h in pixels from
the template crop's center.
Levels and kernels are those of ``Head.kernels``, one per level i, and responses those of
``Response`` (``models/interface.py``). ``kernels`` serves template updates: blended levels become
kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rgbt_track.modalities import MODALITIES
from rgbt_track.models.engines.graph_engine import SINGLE
from rgbt_track.models.interface import BranchKernels, Kernels, Levels
from rgbt_track.models.network import RGBTNetwork

Tensors = dict[str, Tensor]


class Graph(NamedTuple):
    """One graph: tensors in the order of ``inputs`` -> tensors in the order of ``outputs``.

    ``inputs`` are examples by name, random crops and what follows from them.
    """

    module: nn.Module
    inputs: Tensors
    outputs: tuple[str, ...]


class NetworkGraphs:
    """Makes the graphs of a network.

    Args:
        network: ready to track, on the CPU.
        template_size: side of its template crop in pixels. The example of a search crop has it too,
            as tracing is the cheaper the smaller the crop.
    """

    def __init__(self, network: RGBTNetwork, template_size: int) -> None:
        self.network = network
        self.template_size = template_size

    def make(self, name: str, batch: int = 1) -> Graph:
        """The graph ``name``, one of ``graph_engine.graph_names``, for ``batch`` targets."""
        functions = _GraphFunctions(self.network, name.endswith(SINGLE))
        kind = name.removesuffix(SINGLE)
        function = getattr(functions, kind)
        generator = torch.Generator().manual_seed(0)
        shape = (batch, 3, self.template_size, self.template_size)
        crops = {crop: 255 * torch.rand(shape, generator=generator) for crop in functions.crops}
        template = dict(crops)
        if self.network.target_reference:
            side = self.network.target_reference
            template["target"] = torch.tensor([[0.0, 0.0, side, side]]).repeat(batch, 1)
        with torch.no_grad():
            features = functions.template(template) if kind != "template" else {}
            levels = {name: value for name, value in features.items() if "level" in name}
            kernels = {name: value for name, value in features.items() if "kernel" in name}
            inputs = {"template": template, "kernels": levels, "search": {**crops, **kernels}}[kind]
            outputs = tuple(function(inputs))
        module = _Positional(self.network, function, tuple(inputs)).eval()
        return Graph(module, inputs, outputs)


class _GraphFunctions:
    """The three functions of named tensors, for both modalities or for a single one."""

    def __init__(self, network: RGBTNetwork, single: bool) -> None:
        self.network = network
        if single:
            branch = next(name for name in network.branches if name in MODALITIES)
            self.crops, self.prefixes = {"crop": branch}, {branch: ""}
        else:
            self.crops = {name: name for name in MODALITIES}
            self.prefixes = {name: f"{name}_" for name in network.branches}

    def template(self, inputs: Tensors) -> Tensors:
        levels = self.network.template_levels(self._crops(inputs), inputs.get("target"))
        named = {
            f"{prefix}level{index}": level
            for branch, prefix in self.prefixes.items()
            for index, level in enumerate(levels[branch])
        }
        return {**named, **self._named(self.network.kernels(levels))}

    def kernels(self, inputs: Tensors) -> Tensors:
        levels = {name: _levels(inputs, prefix) for name, prefix in self.prefixes.items()}
        return self._named(self.network.kernels(levels))

    def search(self, inputs: Tensors) -> Tensors:
        kernels = {name: _kernels(inputs, prefix) for name, prefix in self.prefixes.items()}
        responses = self.network.search(kernels, self._crops(inputs))
        return {
            f"{prefix}{part}": getattr(responses[branch], part)
            for branch, prefix in self.prefixes.items()
            for part in ("cls", "loc")
        }

    def _crops(self, inputs: Tensors) -> Tensors:
        return {modality: inputs[crop] for crop, modality in self.crops.items()}

    def _named(self, kernels: Kernels) -> Tensors:
        return {
            f"{prefix}kernel{index}_{part}": kernel
            for branch, prefix in self.prefixes.items()
            for index, pair in enumerate(kernels[branch])
            for part, kernel in zip(("cls", "loc"), pair, strict=True)
        }


def _levels(inputs: Tensors, prefix: str) -> Levels:
    count = sum(name.startswith(f"{prefix}level") for name in inputs)
    return [inputs[f"{prefix}level{index}"] for index in range(count)]


def _kernels(inputs: Tensors, prefix: str) -> BranchKernels:
    count = sum(name.startswith(f"{prefix}kernel") for name in inputs) // 2
    name = f"{prefix}kernel{{}}_{{}}"
    return [
        (inputs[name.format(index, "cls")], inputs[name.format(index, "loc")])
        for index in range(count)
    ]


class _Positional(nn.Module):
    """A function of named tensors as exporters want it, positional; holds the weights."""

    def __init__(
        self, network: nn.Module, function: Callable[[Tensors], Tensors], names: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.network = network
        self.function, self.names = function, names

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.function(dict(zip(self.names, tensors, strict=True))).values())
