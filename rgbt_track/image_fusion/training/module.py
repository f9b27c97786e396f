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
from rgbt_track.image_fusion.training.vgg_features import vgg_blocks
from rgbt_track.models.image_networks import build_image_network
from rgbt_track.training.lightning_internals import IN_PROGRESS_BAR, progress

Batch = tuple[Tensor, Tensor]


class ImageFusionModule(pl.LightningModule):
    """One network in training: gray images in 0..255 in, losses by term out.

    The network gets each image scaled by its own range, as in fusing. Its weights start from
    ``training.seed``. The loss's feature network is not saved in checkpoints.
    """

    def __init__(self, experiment: ImageExperiment):
        super().__init__()
        self.strict_loading = False  # checkpoints leave the loss out
        self.experiment = experiment
        training = experiment.training
        self.network: ImageFusion = build_image_network(
            experiment.network.name, experiment.network.args, training.seed
        )
        self.uses_whole_images = training.view == "resize"
        blocks = vgg_blocks(training.features)
        self.loss = ImageFusionLoss(blocks, training.loss, rescale=self.uses_whole_images)

    def losses(self, batch: Batch, reconstruct: float, fuse: float) -> dict[str, Tensor]:
        """Terms and ``total`` of a batch of (B, 1, H, W) visible and infrared images.

        ``reconstruct`` and ``fuse`` weigh the losses of reconstruction and of fusion; a term of
        weight 0 is not computed.
        """
        # Crops are already scaled by the range of the image that they are cut from.
        visible, infrared = (min_max(x) if self.uses_whole_images else x / 255 for x in batch)
        terms: dict[str, Tensor] = {}
        if fuse > 0:
            terms = self.loss(self.network(visible, infrared), *batch)
            terms["total"] = fuse * terms["total"]
        if reconstruct > 0:
            errors = [
                reconstruction_loss(self.network(image, image), image * 255)
                for image in (visible, infrared)
            ]
            factor = self.experiment.training.loss.pixel
            terms["reconstruction"] = factor * (errors[0] + errors[1]) / 2
            terms["total"] = terms.get("total", 0.0) + reconstruct * terms["reconstruction"]
        return terms

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one step in the present stage; ``ValueError`` when it is not finite."""
        stages = self.experiment.training.stages
        weights = stage_weights(progress(self.trainer), stages.reconstruct_until, stages.full_at)
        terms = self.losses(batch, *weights)
        total = terms["total"]
        if not math.isfinite(total.item()):
            raise ValueError(
                f"the loss is {total.item()} at step {self.global_step}; lower "
                "training.optimizer.lr, or set training.optimizer.clip"
            )
        metrics = {f"train/{name}": term.detach() for name, term in terms.items()}
        self.log_dict(metrics, batch_size=len(batch[0]))
        self.log("loss", metrics["train/total"], batch_size=len(batch[0]), **IN_PROGRESS_BAR)
        return total

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log the fusion losses alone in every stage, so that epochs can be compared."""
        metrics = {f"val/{name}": x for name, x in self.losses(batch, 0.0, 1.0).items()}
        self.log_dict(metrics, batch_size=len(batch[0]), on_epoch=True, sync_dist=True)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set this step's learning rate from the number of steps, so a resume needs no state.

        It falls along half a cosine from ``lr`` to ``final_share`` of it.
        """
        config = self.experiment.training.optimizer
        cosine = (1 + math.cos(math.pi * min(progress(self.trainer), 1.0))) / 2
        rate = config.lr * (config.final_share + (1 - config.final_share) * cosine)
        for group in optimizer.param_groups:
            group["lr"] = rate
        self.log("train/lr", rate)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """See ``image_optimizer``."""
        return image_optimizer(self.network, self.experiment.training.optimizer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the loss's feature network, which never changes, and add the settings."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {k: v for k, v in state.items() if not k.startswith("loss.")}
        checkpoint["config"] = to_mapping(self.experiment)


def image_optimizer(network: ImageFusion, config: ImageOptimizerConfig) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters."""
    optimizer = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return optimizer(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
