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
from rgbt_track.models.anchors import anchor_count
from rgbt_track.models.input import PixelInput
from rgbt_track.models.lite import LiteBackbone
from rgbt_track.models.neck import Neck
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
)
from rgbt_track.resources import nearest

BACKBONES: dict[str, Callable[..., nn.Module]] = {"resnet50": ResNet50, "lite": LiteBackbone}


def build_network(model: ModelConfig, *, seed: int | None = None) -> RGBTNetwork:
    """Build the network of a configuration, with random weights, in training mode.

    ``seed`` makes those weights reproducible and leaves torch's global generator as it was. Raises
    ``ValueError`` for an unknown backbone, fusion or branch, or arguments they do not take.
    """
    with _seeded(seed):
        return _build(model)


def load_weights(network: RGBTNetwork, path: str | Path) -> None:
    """Load a weights file: our safetensors, or a checkpoint of ``torch.save``, or pysot's.

    A pysot file (SiamRPN++) fills the fused branch's head with a copy of the shared one. Raises
    ``FileNotFoundError``, and ``ValueError`` for a damaged file or one of another network, naming
    the first keys that do not fit.
    """
    state = read_state(path)
    if is_pysot_state(state):
        state = adopt_pysot_state(network, state)
    fit_state(network, state, path)


def save_weights(
    path: str | Path, network: RGBTNetwork, config: Config, dtype: torch.dtype | None = None
) -> None:
    """Write the weights with their configuration as one safetensors file, whole or not at all.

    ``dtype`` (``torch.float16``, say) is what floating tensors are stored as; loading casts back.
    """
    path = Path(path)
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
    return from_mapping(Config, json.loads(metadata["config"]), str(path))


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
    backbone = _construct("backbone", model.backbone, BACKBONES, model.backbone_args)
    channels = _channels(backbone)
    neck = Neck(channels, _per_level(model.neck_channels, len(channels), "neck_channels"))
    fused, single = "fused" in branches, branches != ["fused"]
    fused_channels = neck.channels if model.fuse_at == "neck" else channels
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
        stride=model.anchors.stride,
    )


def _head(model: ModelConfig, channels: Sequence[int]) -> Head:
    hidden = _per_level(model.head_channels, len(channels), "head_channels")
    return MultiRPN(channels, hidden, anchor_count(model.anchors))


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


def _channels(backbone: nn.Module) -> tuple[int, ...]:
    channels = backbone.channels
    assert isinstance(channels, tuple)
    return channels


def _per_level(channels: int | Sequence[int], levels: int, where: str) -> tuple[int, ...]:
    if isinstance(channels, int):
        return (channels,) * levels
    if len(channels) != levels:
        raise ValueError(f"{where} has {len(channels)} numbers; the backbone has {levels} levels")
    return tuple(channels)
