"""Which parts of the network learn in which stage, and at which rate.

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

_LEARNING: dict[str, tuple[str, ...]] = {
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
    """Switch gradients off where the stage does not learn."""
    for name, part in network.named_children():
        part.requires_grad_(name in _LEARNING[stage])


def frozen_parts(network: RGBTNetwork, config: TrainingConfig, epoch: int) -> Iterator[nn.Module]:
    """The parts whose batch norms must not follow the data in this epoch."""
    if config.freeze_batch_norm:
        yield network
    for name, part in network.named_children():
        late = name == "backbone" and epoch < config.optimizer.frozen_backbone_epochs
        if late or name not in _LEARNING[config.stage]:
            yield part


def parameter_groups(network: RGBTNetwork, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Groups for the optimiser with their ``factor`` of the rate; only layers' weights decay.

    Told by the name, not the shape: LLRR's thresholds ``theta`` are (1, C) and no matrix.
    """
    factors = {"backbone": config.backbone, "neck": config.neck, "fusion": config.fusion}
    groups = []
    for name, part in network.named_children():
        learning = {key: p for key, p in part.named_parameters() if p.requires_grad}
        weights = {key for key, p in learning.items() if key.endswith("weight") and p.ndim > 1}
        for decay, is_weight in ((config.weight_decay, True), (0.0, False)):
            chosen = [p for key, p in learning.items() if (key in weights) == is_weight]
            if chosen:
                factor = factors.get(name, 1.0)
                groups.append(
                    {"params": chosen, "factor": factor, "weight_decay": decay, "name": name}
                )
    return groups
