"""The one file that knows the numbers: from ``ModelConfig`` to a network, and weights in and out.

Registries are literal dicts: ``grep`` finds every name. A weights file is a single safetensors
file that carries its configuration as JSON, so that it says itself what it belongs to.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from fusion_modules import FusionPyramid
from rgbt_track.config import Config, ModelConfig, from_mapping, to_mapping
from rgbt_track.models.anchors import anchor_count, anchor_sides
from rgbt_track.models.filters import FilterBank
from rgbt_track.models.input import PixelInput
from rgbt_track.models.lite import LiteBackbone
from rgbt_track.models.matching import MatchingHead
from rgbt_track.models.neck import Neck, NoNeck
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.resnet import ResNet50
from rgbt_track.models.response import BRANCHES, Head
from rgbt_track.models.rpn import MultiRPN
from rgbt_track.models.state import (
    adopt_pysot_state,
    fit_state,
    is_pysot_state,
    read_metadata,
    read_state,
    without_parts,
)
from rgbt_track.resources import nearest

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "resnet50": ResNet50,
    "lite": LiteBackbone,
    "filters": FilterBank,
}


def build_network(model: ModelConfig, *, seed: int | None = None) -> RGBTNetwork:
    """Build the network of a configuration, with random weights, in training mode.

    ``seed`` makes those weights reproducible and leaves torch's global generator as it was. Raises
    ``ValueError`` for an unknown backbone, fusion or branch, or arguments they do not take.
    """
    with _seeded(seed):
        return _build(model)


def load_weights(network: RGBTNetwork, path: str | Path) -> None:
    """Load a weights file: our safetensors, or a checkpoint of ``torch.save``, or pysot's.

    A pysot file (SiamRPN++) fills the fused branch's head with a copy of the shared one. The
    weights of a branch that ``network`` does not have are left out. Raises
    ``FileNotFoundError``, and ``ValueError`` for a damaged file or one of another network, naming
    the first keys that do not fit.
    """
    state = read_state(path)
    if is_pysot_state(state):
        state = adopt_pysot_state(network, state, path)
    parts = ("rpn_head", "fusion", "fused_rpn_head")
    off = [part for part in parts if getattr(network, part) is None]
    fit_state(network, without_parts(state, off), path)


def save_weights(
    path: str | Path, network: RGBTNetwork, config: Config, dtype: torch.dtype | None = None
) -> None:
    """Write the weights with their configuration as one safetensors file, whole or not at all.

    ``dtype`` (``torch.float16``, say) is what floating tensors are stored as; loading casts back.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder for {path.name}: {path.parent}")
    state = {
        key: value.detach().to("cpu", dtype if value.is_floating_point() else None).contiguous()
        for key, value in network.state_dict().items()
    }
    metadata = {"config": json.dumps(to_mapping(config))}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(state, temporary, metadata=metadata)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def read_weights_config(path: str | Path) -> Config:
    """The configuration that ``save_weights`` put into a file; ``ValueError`` if it has none."""
    metadata = read_metadata(path)
    if "config" not in metadata:
        raise ValueError(f"{path}: carries no configuration; was it written by rgbt-track?")
    try:
        values = json.loads(metadata["config"])
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: its configuration is damaged: {error}") from None
    return from_mapping(Config, values, str(path))


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _build(model: ModelConfig) -> RGBTNetwork:
    branches = _checked_branches(model.branches)
    backbone = _backbone(model)
    neck = _neck(model, backbone.channels)
    fused, single = "fused" in branches, branches != ["fused"]
    fused_channels = neck.channels if model.fuse_at == "neck" else backbone.channels
    return RGBTNetwork(
        pixels=PixelInput(model.pixels),
        backbone=backbone,
        neck=neck,
        rpn_head=_head(model, neck.channels) if single else None,
        fusion=_fusion(model, fused_channels) if fused else None,
        fused_rpn_head=_head(model, neck.channels) if fused else None,
        branches=branches,
        template_cells=model.template_cells,
        fuse_at=model.fuse_at,
        stride=backbone.stride,
    )


def _backbone(model: ModelConfig) -> Any:
    backbone = _construct("backbone", model.backbone, BACKBONES, model.backbone_args)
    if backbone.stride != model.anchors.stride:
        raise ValueError(
            f"anchors.stride is {model.anchors.stride}, but the backbone {model.backbone!r} "
            f"has stride {backbone.stride}: make them equal"
        )
    return backbone


def _neck(model: ModelConfig, channels: Sequence[int]) -> Neck | NoNeck:
    """The matching head compares features as they are; anything learned gets a learned neck."""
    if model.head == "matching":
        return NoNeck(channels)
    return Neck(channels, _per_level(model.neck_channels, len(channels), "neck_channels"))


def _head(model: ModelConfig, channels: Sequence[int]) -> Head:
    if model.head == "matching":
        return _matching_head(model)
    hidden = _per_level(model.head_channels, len(channels), "head_channels")
    return MultiRPN(channels, hidden, anchor_count(model.anchors))


def _matching_head(model: ModelConfig) -> MatchingHead:
    sides = anchor_sides(model.anchors)
    if len(sides) != 1 or sides[0][0] != sides[0][1]:
        raise ValueError(
            "head 'matching' has one square anchor: give anchors.ratios [1], one scale"
        )
    return MatchingHead(sides[0][0] / model.anchors.stride)


def _fusion(model: ModelConfig, channels: Sequence[int]) -> nn.Module:
    return FusionPyramid(model.fusion, channels=list(channels), **model.fusion_args)


def _checked_branches(branches: Sequence[str]) -> list[str]:
    for name in branches:
        if name not in BRANCHES:
            hint = nearest(name, BRANCHES)
            raise ValueError(f"unknown branch {name!r}{hint}; valid: {', '.join(BRANCHES)}")
    if not branches:
        raise ValueError(f"branches is empty; give one or more of {', '.join(BRANCHES)}")
    return [name for name in BRANCHES if name in branches]


def _construct(
    kind: str, name: str, known: dict[str, Callable[..., Any]], arguments: dict[str, Any]
) -> Any:
    if name not in known:
        hint = nearest(name, known)
        raise ValueError(f"unknown {kind} {name!r}{hint}; valid: {', '.join(known)}")
    try:
        return known[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{kind}_args of {name!r}: {error}") from None


def _per_level(channels: int | Sequence[int], levels: int, where: str) -> tuple[int, ...]:
    if isinstance(channels, int):
        return (channels,) * levels
    if len(channels) != levels:
        raise ValueError(f"{where} has {len(channels)} numbers; the backbone has {levels} levels")
    return tuple(channels)
