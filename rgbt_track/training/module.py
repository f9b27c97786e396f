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
from rgbt_track.training.schedule import learning_rate
from rgbt_track.training.stages import (
    freeze_for_stage,
    frozen_parts,
    parameter_groups,
    stage_branches,
)

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

    def losses(self, batch: Batch, share: Share | None = None) -> dict[str, Tensor]:
        """The criterion's terms on a batch of ``PairDataset``, and ``overlap_<branch>``."""
        batch = self._prepared(batch)
        output = self.network(batch["template"], batch["search"])
        terms = self.criterion(output, batch, share)
        with torch.no_grad():
            overlaps = self.criterion.overlaps(output, batch)
        return {**terms, **{f"overlap_{name}": value for name, value in overlaps.items()}}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """One step's loss; logged are the means over ranks, in one exchange."""
        terms = self.losses(batch, self._mean_over_ranks)
        means = self._mean_over_ranks(torch.stack([term.detach() for term in terms.values()]))
        logged = {f"train/{name}": mean for name, mean in zip(terms, means, strict=True)}
        self.log_dict(logged, batch_size=len(batch["box"]))
        return terms["total"]

    def on_train_start(self) -> None:
        """As at the start of an epoch: a run resumed in the middle of one has only this."""
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Set what is frozen in this epoch; the backbone joins when its time has come."""
        training = self.config.training
        if training.stage != "fusion":
            late = self.current_epoch < training.optimizer.frozen_backbone_epochs
            self.network.backbone.requires_grad_(not late)
        self.train()
        self._choose_backbone_engine()

    def _choose_backbone_engine(self) -> None:
        """Run the backbone by OpenVINO if the settings say so, while nothing of it learns."""
        backbone = self.network.backbone
        backbone.__dict__.pop("forward", None)
        learns = any(parameter.requires_grad for parameter in backbone.parameters())
        if self.config.training.frozen_engine == "openvino" and not learns:
            backbone.forward = FrozenBackbone(backbone)

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

    def _prepared(self, batch: Batch) -> Batch:
        """The batch with its crops as floats in the network's memory layout."""
        lasts = self.config.training.channels_last
        layout = torch.channels_last if lasts else torch.contiguous_format
        sides = {
            side: {
                name: crop.float().contiguous(memory_format=layout)
                for name, crop in batch[side].items()
            }
            for side in ("template", "search")
        }
        return {**batch, **sides}

    def _mean_over_ranks(self, counts: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return counts
        gathered = self.all_gather(counts)
        assert isinstance(gathered, Tensor)
        return gathered.float().mean(0)
