"""The engine that runs a network with torch, on any device."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rgbt_track.models.engines.interface import BranchResponse, InputCrops, Template
from rgbt_track.models.interface import BranchKernels, Levels, Response
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.threads import torch_threads


class BranchTemplate(NamedTuple):
    """One branch's template: its features, which can be blended, and the head's kernels of them."""

    levels: Levels
    kernels: BranchKernels


class TorchEngine:
    """A network run by torch, without gradients.

    Args:
        network: built by ``build_network``; put into evaluation mode and on the device here.
        device: a ``torch`` device name.
        threads: CPU threads while the network runs, whatever the program around has set; 0 for as
            many as that.
        dtype: what the network computes in, ``torch.float32`` or ``torch.bfloat16``; responses are
            float32.
    """

    def __init__(
        self,
        network: RGBTNetwork,
        device: str | torch.device = "cpu",
        threads: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.network = network.to(self.device, dtype).eval()
        self.threads = threads

    @cached_property
    def identity(self) -> str:
        """Of ``IdentifiedEngine``."""
        return f"torch {weights_digest(self.network)}"

    def template(self, crops: InputCrops, target: NDArray[np.float32] | None = None) -> Template:
        with self._inference():
            box = None if target is None else torch.from_numpy(target).to(self.device)
            return self._with_kernels(self.network.template_levels(self._tensors(crops), box))

    def blend(self, first: Template, present: Template, rate: float) -> Template:
        with self._inference():
            levels = {
                name: [
                    torch.lerp(old, new, rate)
                    for old, new in zip(first[name].levels, present[name].levels, strict=True)
                ]
                for name in first
                if name in present
            }
            return {**first, **self._with_kernels(levels)}

    def search(self, template: Template, crops: InputCrops) -> dict[str, BranchResponse]:
        with self._inference():
            kernels = {name: branch.kernels for name, branch in template.items()}
            responses = self.network.search(kernels, self._tensors(crops))
            return {name: _to_numpy(response) for name, response in responses.items()}

    def search_batch(
        self, templates: Sequence[Template], crops: Sequence[InputCrops]
    ) -> list[dict[str, BranchResponse]]:
        """Of ``BatchEngine``."""
        batch = {name: np.concatenate([crop[name] for crop in crops]) for name in crops[0]}
        with self._inference():
            kernels = {name: _stack([item[name] for item in templates]) for name in templates[0]}
            responses = self.network.search(kernels, self._tensors(batch))
            parts = {name: _to_arrays(response) for name, response in responses.items()}
        return [
            {
                name: BranchResponse.from_batch(cls[i : i + 1], loc[i : i + 1])
                for name, (cls, loc) in parts.items()
            }
            for i in range(len(crops))
        ]

    def _with_kernels(self, levels: dict[str, Levels]) -> Template:
        kernels = self.network.kernels(levels)
        return {name: BranchTemplate(levels[name], kernels[name]) for name in levels}

    def _tensors(self, crops: InputCrops) -> dict[str, Tensor]:
        return {
            name: torch.from_numpy(crop).to(self.device, self.dtype) for name, crop in crops.items()
        }

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        with torch_threads(self.threads), torch.inference_mode():
            yield


def weights_digest(network: nn.Module) -> str:
    """A digest of a network's weights and buffers, by name."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _to_numpy(response: Response) -> BranchResponse:
    return BranchResponse.from_batch(*_to_arrays(response))


def _to_arrays(response: Response) -> list[Any]:
    return [part.float().cpu().numpy() for part in response]


def _stack(branches: Sequence[BranchTemplate]) -> BranchKernels:
    """The kernels of one branch of several targets, in a batch."""
    levels = zip(*(branch.kernels for branch in branches), strict=True)
    return [
        (torch.cat([cls for cls, _ in level]), torch.cat([loc for _, loc in level]))
        for level in levels
    ]
