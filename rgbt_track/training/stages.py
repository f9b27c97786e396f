"""Which parts of the network are trained in which stage, and at which learning rate.

``branches``: backbone, neck and the single modalities' head. ``fusion``: the fusion module and its
head, everything else frozen with its batch norms (the paper: the branches stay as in DFAT).
``all``: everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from rgbt_track.config.training import OptimizerConfig, TrainingConfig
from rgbt_track.models.network import RGBTNetwork

_TRAINED_PARTS: dict[str, tuple[str, ...]] = {
    "branches": ("backbone", "neck", "rpn_head"),
    "fusion": ("fusion", "fused_rpn_head"),
    "all": ("backbone", "neck", "rpn_head", "fusion", "fused_rpn_head"),
}
_BRANCHES: dict[str, tuple[str, ...]] = {
    "branches": ("rgb", "tir"),
    "fusion": ("fused",),
    "all": ("rgb", "tir", "fused"),
}


def stage_branches(network: RGBTNetwork, stage: str) -> tuple[str, ...]:
    """The network's branches that have a loss; ``ValueError`` when the stage leaves none."""
    branches = tuple(name for name in _BRANCHES[stage] if name in network.branches)
    if not branches:
        raise ValueError(
            f"stage {stage!r} trains the branches {', '.join(_BRANCHES[stage])}, but the network "
            f"has only {', '.join(network.branches)}"
        )
    return branches


def freeze_for_stage(network: RGBTNetwork, stage: str) -> None:
    """Switch gradients off for the parts that the stage does not train."""
    for name, part in network.named_children():
        part.requires_grad_(name in _TRAINED_PARTS[stage])


def frozen_parts(network: RGBTNetwork, config: TrainingConfig, epoch: int) -> Iterator[nn.Module]:
    """The parts whose batch norms keep their running statistics in this epoch."""
    if config.freeze_batch_norm:
        yield network
    for name, part in network.named_children():
        is_delayed = name == "backbone" and epoch < config.optimizer.frozen_backbone_epochs
        if is_delayed or name not in _TRAINED_PARTS[config.stage]:
            yield part


def parameter_groups(network: RGBTNetwork, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Groups for the optimizer with their ``factor`` of the learning rate.

    Only weights of layers decay. They are recognized by their names, not by their shapes: LLRR's
    thresholds ``theta`` are (1, C) and no matrix.
    """
    factors = {"backbone": config.backbone, "neck": config.neck, "fusion": config.fusion}
    groups = []
    for name, part in network.named_children():
        trained = {key: p for key, p in part.named_parameters() if p.requires_grad}
        weights = {key for key, p in trained.items() if key.endswith("weight") and p.ndim > 1}
        for decay, is_weight in ((config.weight_decay, True), (0.0, False)):
            parameters = [p for key, p in trained.items() if (key in weights) == is_weight]
            if parameters:
                factor = factors.get(name, 1.0)
                groups.append(
                    {"params": parameters, "factor": factor, "weight_decay": decay, "name": name}
                )
    return groups
