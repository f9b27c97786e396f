"""The one file that knows the numbers: from ``ModelConfig`` to a network.

Registries are literal dicts: ``grep`` finds every name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from fusion_modules import FusionPyramid
from rgbt_track.config.tracker import ModelConfig
from rgbt_track.modalities import BRANCHES
from rgbt_track.models.anchors import anchor_count, anchor_sides
from rgbt_track.models.backbones.filters import FilterBank
from rgbt_track.models.backbones.lite import LiteBackbone
from rgbt_track.models.backbones.resnet import ResNet50
from rgbt_track.models.backbones.timm_backbone import PREFIX, TimmBackbone
from rgbt_track.models.early_fusion import EarlyFusion
from rgbt_track.models.heads.anchor_free import AnchorFreeHead
from rgbt_track.models.heads.matching import MatchingHead
from rgbt_track.models.heads.rpn import MultiRPN
from rgbt_track.models.image_networks import find_image_weights, load_image_network
from rgbt_track.models.interface import Head
from rgbt_track.models.neck import Neck, NoNeck
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.normalization import PixelInput
from rgbt_track.models.seeding import seeded
from rgbt_track.models.target_planes import PLANES
from rgbt_track.resources import check_choice

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
    with seeded(seed):
        return _build(model)


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
        rpn_head=HEADS[model.head](model, neck.channels) if single else None,
        fusion=_fusion(model, fused_channels) if fused else None,
        fused_rpn_head=HEADS[model.head](model, neck.channels) if fused else None,
        branches=branches,
        template_cells=model.template_cells,
        fuse_at=model.fuse_at,
        stride=backbone.stride,
        target_reference=_target_reference(model),
        early_fusion=_early_fusion(model),
    )


def _early_fusion(model: ModelConfig) -> EarlyFusion | None:
    """The image network before the backbone, with the weights that ``early_fusion`` names."""
    if model.early_fusion is None:
        return None
    if tuple(model.branches) != ("rgb",):
        raise ValueError(
            f"early_fusion {model.early_fusion} makes one picture of both crops: branches must be "
            f"[rgb], not [{', '.join(model.branches)}]"
        )
    return EarlyFusion(load_image_network(find_image_weights(model.early_fusion)))


def _target_reference(model: ModelConfig) -> float:
    if not model.target_encoding:
        return 0.0
    if model.head != "anchor_free":
        raise ValueError(f"target_encoding needs the head 'anchor_free', not {model.head!r}")
    return _one_square_anchor(model)


def _backbone(model: ModelConfig) -> Any:
    name, arguments = model.backbone, model.backbone_args
    if name.startswith(PREFIX):
        timm_model = name.removeprefix(PREFIX)
        timm_backbones = {name: functools.partial(TimmBackbone, timm_model)}
        backbone = _construct("backbone", name, timm_backbones, arguments)
    else:
        backbone = _construct("backbone", name, BACKBONES, arguments)
    if backbone.stride != model.anchors.stride:
        raise ValueError(
            f"anchors.stride is {model.anchors.stride}, but the backbone {model.backbone!r} "
            f"has stride {backbone.stride}: make them equal"
        )
    return backbone


def _neck(model: ModelConfig, channels: Sequence[int]) -> Neck | NoNeck:
    """A head that is not learned compares features as they are; any other gets a learned neck."""
    if not model.is_learned:
        return NoNeck(channels)
    return Neck(channels, _per_level(model.neck_channels, len(channels), "neck_channels"))


def _rpn_head(model: ModelConfig, channels: Sequence[int]) -> Head:
    hidden = _per_level(model.head_channels, len(channels), "head_channels")
    return _head(model, MultiRPN, channels, hidden, anchor_count(model.anchors))


def _anchor_free_head(model: ModelConfig, channels: Sequence[int]) -> Head:
    _one_square_anchor(model)
    hidden = _per_level(model.head_channels, len(channels), "head_channels")
    planes = PLANES if model.target_encoding else 0
    return _head(model, AnchorFreeHead, channels, hidden, model.template_cells, planes)


def _matching_head(model: ModelConfig, channels: Sequence[int]) -> Head:
    return _head(model, MatchingHead, _one_square_anchor(model) / model.anchors.stride)


def _head(model: ModelConfig, head: Callable[..., Head], *fixed: Any) -> Head:
    """The head of these fixed arguments and of ``head_args``."""
    heads: dict[str, Callable[..., Head]] = {model.head: functools.partial(head, *fixed)}
    built: Head = _construct("head", model.head, heads, model.head_args)
    return built


def _one_square_anchor(model: ModelConfig) -> float:
    """The side in crop pixels of the one anchor that heads without anchors respond in terms of."""
    sides = anchor_sides(model.anchors)
    if len(sides) != 1 or sides[0][0] != sides[0][1]:
        raise ValueError(
            f"head {model.head!r} has one square anchor: give anchors.ratios [1], one scale"
        )
    return sides[0][0]


HEADS: dict[str, Callable[[ModelConfig, Sequence[int]], Head]] = {
    "rpn": _rpn_head,
    "anchor_free": _anchor_free_head,
    "matching": _matching_head,
}
"""Name of ``ModelConfig.head`` -> its builder, from the settings and the neck's channels."""


def _fusion(model: ModelConfig, channels: Sequence[int]) -> nn.Module:
    if "channels" in model.fusion_args:
        raise ValueError("fusion_args has 'channels', which the network knows itself: leave it out")
    try:
        return FusionPyramid(model.fusion, channels=list(channels), **model.fusion_args)
    except (ValueError, OSError):
        raise
    except Exception as error:  # a class of anybody's may raise anything
        raise ValueError(
            f"fusion {model.fusion!r} cannot be built: {type(error).__name__}: {error}"
        ) from error


def _checked_branches(branches: Sequence[str]) -> list[str]:
    for name in branches:
        check_choice("unknown branch", name, BRANCHES)
    if not branches:
        raise ValueError(f"branches is empty; give one or more of {', '.join(BRANCHES)}")
    return [name for name in BRANCHES if name in branches]


def _construct(
    kind: str, name: str, registry: Mapping[str, Callable[..., Any]], arguments: dict[str, Any]
) -> Any:
    check_choice(f"unknown {kind}", name, registry)
    try:
        return registry[name](**arguments)
    except (TypeError, RuntimeError, AttributeError, IndexError) as error:
        raise ValueError(f"{kind}_args of {name!r}: {error}") from None


def _per_level(channels: int | Sequence[int], levels: int, where: str) -> tuple[int, ...]:
    if isinstance(channels, int):
        return (channels,) * levels
    if len(channels) != levels:
        raise ValueError(f"{where} has {len(channels)} numbers; the backbone has {levels} levels")
    return tuple(channels)
