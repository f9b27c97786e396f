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
    """Groups for the optimiser with their ``factor`` of the rate; no weight decay on vectors."""
    factors = {"backbone": config.backbone, "neck": config.neck, "fusion": config.fusion}
    groups = []
    for name, part in network.named_children():
        learning = [parameter for parameter in part.parameters() if parameter.requires_grad]
        for decay, is_matrix in ((config.weight_decay, True), (0.0, False)):
            chosen = [p for p in learning if (p.ndim > 1) == is_matrix]
            if chosen:
                factor = factors.get(name, 1.0)
                groups.append(
                    {"params": chosen, "factor": factor, "weight_decay": decay, "name": name}
                )
    return groups
