"""The training step of an image-fusion network as a LightningModule."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from fusion_modules.image import ImageFusion, min_max
from fusion_modules.image.losses import ImageFusionLoss, reconstruction_loss
from fusion_modules.image.lwc_densefuse import stage_weights
from rgbt_track.config.image_fusion import ImageExperiment, ImageOptimizerConfig
from rgbt_track.config.parsing import to_mapping
from rgbt_track.image_fusion.networks import build_image_network
from rgbt_track.image_fusion.training.vgg_features import vgg_blocks

Batch = tuple[Tensor, Tensor]


class ImageFusionModule(pl.LightningModule):
    """One network in training: grey sources in 0..255 in, its losses by term out.

    The network sees each source scaled by its own range, as it does when it fuses. Its weights
    start from ``training.seed``. The loss's feature network is no part of checkpoints.
    """

    def __init__(self, experiment: ImageExperiment):
        super().__init__()
        self.strict_loading = False  # checkpoints leave the loss out
        self.experiment = experiment
        training = experiment.training
        self.network: ImageFusion = build_image_network(
            experiment.network.name, experiment.network.args, training.seed
        )
        self.whole = training.view == "resize"
        blocks = vgg_blocks(training.features)
        self.loss = ImageFusionLoss(blocks, training.loss, rescale=self.whole)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        terms = self._terms(batch, *self._stage())
        total = terms["total"]
        if not math.isfinite(total.item()):
            raise ValueError(
                f"the loss is {total.item()} at step {self.global_step}; lower "
                "training.optimizer.lr, or set training.optimizer.clip"
            )
        logged = {f"train/{name}": term.detach() for name, term in terms.items()}
        self.log_dict(logged, batch_size=len(batch[0]))
        return total

    def validation_step(self, batch: Batch, index: int) -> None:
        """The fusion losses alone, whatever the stage, so that epochs compare."""
        terms = self._terms(batch, 0.0, 1.0)
        logged = {f"val/{name}": term for name, term in terms.items()}
        self.log_dict(logged, batch_size=len(batch[0]), on_epoch=True, sync_dist=True)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the rate for this very step from the steps done, so that a resume needs no state."""
        config = self.experiment.training.optimizer
        rate = config.lr * _cosine(self._progress(), config.final_share)
        for group in optimizer.param_groups:
            group["lr"] = rate
        self.log("train/lr", rate)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return image_optimizer(self.network, self.experiment.training.optimizer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the loss's features out, which are always the same, and add the settings."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {k: v for k, v in state.items() if not k.startswith("loss.")}
        checkpoint["config"] = to_mapping(self.experiment)

    def _terms(self, batch: Batch, reconstruct: float, fuse: float) -> dict[str, Tensor]:
        visible, infrared = batch
        # Crops come stretched by the range of the picture that they are cut from.
        seen, felt = (min_max(x) if self.whole else x / 255 for x in batch)
        terms: dict[str, Tensor] = {}
        if fuse > 0:
            terms = self.loss(self.network(seen, felt), visible, infrared)
            terms["total"] = fuse * terms["total"]
        if reconstruct > 0:
            factor = self.experiment.training.loss.pixel
            terms["reconstruction"] = factor * (self._error(seen) + self._error(felt)) / 2
            terms["total"] = terms.get("total", 0.0) + reconstruct * terms["reconstruction"]
        return terms

    def _error(self, source: Tensor) -> Tensor:
        return reconstruction_loss(self.network(source, source), source * 255)

    def _stage(self) -> tuple[float, float]:
        stages = self.experiment.training.stages
        return stage_weights(self._progress(), stages.reconstruct_until, stages.full_at)

    def _progress(self) -> float:
        steps = float(self.trainer.estimated_stepping_batches)
        return self.trainer.global_step / max(steps, 1.0)


def image_optimizer(network: ImageFusion, config: ImageOptimizerConfig) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters."""
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)


def _cosine(progress: float, final_share: float) -> float:
    """From 1 down to ``final_share`` along half a cosine."""
    half = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return final_share + (1 - final_share) * half
