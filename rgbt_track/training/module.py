"""The training step as a LightningModule: network, criterion, schedule and validation."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.models.build import build_network
from rgbt_track.tracking.run import track_sequence
from rgbt_track.training.criterion import Criterion, Share
from rgbt_track.training.frozen_backbone import FrozenBackbone
from rgbt_track.training.lightning_internals import IN_PROGRESS_BAR, current_epoch, progress
from rgbt_track.training.schedule import learning_rate, rate_factor
from rgbt_track.training.stages import (
    freeze_for_stage,
    frozen_parts,
    parameter_groups,
    stage_branches,
)

Batch = dict[str, Any]


class TrackingModule(pl.LightningModule):
    """One network in training; its weights start from ``config.training.seed``.

    Raises ``ValueError`` when the stage does not fit the network's branches, or the place of the
    feature loss that of the fusion.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        training = config.training
        self.network = build_network(config.model, seed=training.seed)
        if training.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)
        branches = stage_branches(self.network, training.stage)
        freeze_for_stage(self.network, training.stage)
        size = self.network.response_size(config.tracking.search_size)
        anchors = torch.from_numpy(anchor_boxes(config.model.anchors, size))
        has_feature_loss = "fused" in branches and training.loss.feature > 0
        place, fuse_at = training.loss.feature_at, config.model.fuse_at
        if has_feature_loss and place == "backbone" and fuse_at != "backbone":
            raise ValueError(
                f"loss.feature_at {place} compares fused levels of the backbone, but model.fuse_at "
                f"is {fuse_at}: set model.fuse_at=backbone, or loss.feature_at=neck"
            )
        self.criterion = Criterion(training.loss, anchors, branches, has_feature_loss)

    def losses(self, batch: Batch, share: Share | None = None) -> dict[str, Tensor]:
        """The criterion's terms on a batch of ``PairDataset``, and ``overlap_<branch>``."""
        # Crops as floats in the network's memory layout.
        is_channels_last = self.config.training.channels_last
        layout = torch.channels_last if is_channels_last else torch.contiguous_format
        template, search = (
            {name: x.float().contiguous(memory_format=layout) for name, x in batch[side].items()}
            for side in ("template", "search")
        )
        output = self.network(template, search, batch["target"])
        terms = self.criterion(output, batch, share)
        with torch.no_grad():
            overlaps = self.criterion.overlaps(output, batch)
        return {**terms, **{f"overlap_{name}": value for name, value in overlaps.items()}}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one step; the means over ranks are logged, after one exchange."""
        terms = self.losses(batch, self._mean_over_ranks)
        means = self._mean_over_ranks(torch.stack([term.detach() for term in terms.values()]))
        metrics = {f"train/{name}": mean for name, mean in zip(terms, means, strict=True)}
        self.log_dict(metrics, batch_size=len(batch["box"]))
        self.log("loss", metrics["train/total"], batch_size=len(batch["box"]), **IN_PROGRESS_BAR)
        return terms["total"]

    def on_train_start(self) -> None:
        """As at the start of an epoch, which a run resumed in the middle of one does not have."""
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Freeze or unfreeze the backbone for this epoch."""
        training = self.config.training
        if training.stage != "fusion":
            is_frozen = self.current_epoch < training.optimizer.frozen_backbone_epochs
            self.network.backbone.requires_grad_(not is_frozen)
        self.train()
        self.select_backbone_engine()

    def select_backbone_engine(self) -> None:
        """Let OpenVINO compute the backbone if it is frozen and the settings say so."""
        backbone = self.network.backbone
        is_trained = any(parameter.requires_grad for parameter in backbone.parameters())
        if self.config.training.frozen_engine != "openvino" or is_trained:
            backbone.__dict__.pop("forward", None)
        elif "forward" not in backbone.__dict__:  # what was compiled serves all frozen epochs
            backbone.forward = FrozenBackbone(backbone)  # type: ignore[method-assign]

    def train(self, mode: bool = True) -> TrackingModule:
        """Training mode, except for the batch norms of frozen parts."""
        super().train(mode)
        if mode:
            for part in frozen_parts(self.network, self.config.training, current_epoch(self)):
                part.eval()
        return self

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set this step's learning rate from the number of steps, so a resume needs no state."""
        training = self.config.training
        epoch = progress(self.trainer) * training.epochs
        rate = learning_rate(training.optimizer, epoch, training.epochs)
        rate *= rate_factor(training, self.trainer.world_size)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.log("train/lr", rate)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD or AdamW over the groups of ``stages.parameter_groups``."""
        config = self.config.training.optimizer
        groups = parameter_groups(self.network, config)
        if config.name == "adamw":
            return torch.optim.AdamW(groups, lr=config.lr)
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)

    def validation_step(self, number: int, index: int) -> None:
        """Track one held-out sequence; the mean overlap over sequences is ``val/ao``."""
        sequence = self.trainer.datamodule.sequences[number]  # type: ignore[attr-defined]
        overlap = track_sequence(
            self.network, self.config, sequence, self.device, self.config.training.validation_frames
        )
        self.log("val/ao", overlap, batch_size=1, on_epoch=True, sync_dist=True, prog_bar=True)
        self.log(f"val/{sequence.name}", overlap, batch_size=1, on_epoch=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the settings, so that a resume can refuse another network."""
        checkpoint["config"] = to_mapping(self.config)

    def _mean_over_ranks(self, values: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return values
        gathered = self.all_gather(values)
        assert isinstance(gathered, Tensor)
        return gathered.float().mean(0)
