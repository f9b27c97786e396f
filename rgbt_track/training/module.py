"""The training step as a LightningModule: network, criterion, schedule and validation."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from rgbt_track.build import build_network
from rgbt_track.config import Config, to_mapping
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.training.criterion import Criterion
from rgbt_track.training.schedule import learning_rate
from rgbt_track.training.stages import (
    freeze_for_stage,
    frozen_parts,
    parameter_groups,
    stage_branches,
)
from rgbt_track.training.validation import track_sequence

Batch = dict[str, Any]


class TrackingModule(pl.LightningModule):
    """One network in training.

    The network's weights start from ``config.training.seed``. Raises ``ValueError`` when the
    stage does not fit the network's branches.
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
        self.criterion = Criterion(training.loss, anchors, branches, has_feature_loss)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """All terms of a batch of ``PairDataset``, ``total`` among them; counts of this rank."""
        batch = self._on_device(batch)
        output = self.network(batch["template"], batch["search"])
        return self.criterion(output, batch)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        batch = self._on_device(batch)
        output = self.network(batch["template"], batch["search"])
        terms = self.criterion(output, batch, self._mean_over_ranks)
        with torch.no_grad():
            overlaps = self.criterion.overlaps(output, batch)
            shown = {**terms, **{f"overlap_{name}": value for name, value in overlaps.items()}}
            values = self._mean_over_ranks(torch.stack(list(shown.values())))
        logged = {f"train/{name}": value for name, value in zip(shown, values, strict=True)}
        self.log_dict(logged, batch_size=len(batch["box"]))
        return terms["total"]

    def on_train_epoch_start(self) -> None:
        """Set what is frozen in this epoch; the backbone joins when its time has come."""
        training = self.config.training
        if training.stage != "fusion":
            late = self.current_epoch < training.optimizer.frozen_backbone_epochs
            self.network.backbone.requires_grad_(not late)
        self.train()

    def train(self, mode: bool = True) -> TrackingModule:
        """Training mode, except for the batch norms of frozen parts."""
        super().train(mode)
        if mode:
            epoch = self.current_epoch if self._trainer is not None else 0
            for part in frozen_parts(self.network, self.config.training, epoch):
                part.eval()
        return self

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the rate for this very step from the steps done, so that a resume needs no state."""
        rate = self._rate()
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.log("train/lr", rate)

    def configure_optimizers(self) -> torch.optim.Optimizer:
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
        """Add the settings: a resume refuses another network by them."""
        checkpoint["config"] = to_mapping(self.config)

    def _rate(self) -> float:
        training = self.config.training
        steps = self.trainer.estimated_stepping_batches
        epoch = self.trainer.global_step / max(float(steps), 1.0) * training.epochs
        return learning_rate(training.optimizer, epoch, training.epochs)

    def _on_device(self, batch: Batch) -> Batch:
        """Crops as floats in the network's memory layout, whatever the loader sent."""
        lasts = self.config.training.channels_last
        layout = torch.channels_last if lasts else torch.contiguous_format
        for side in ("template", "search"):
            batch[side] = {
                name: crop.float().contiguous(memory_format=layout)
                for name, crop in batch[side].items()
            }
        return batch

    def _mean_over_ranks(self, counts: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return counts
        gathered = self.all_gather(counts)
        assert isinstance(gathered, Tensor)
        return gathered.float().mean(0)
