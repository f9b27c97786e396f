"""A whole training of an image-fusion network, into a run folder like a tracker's."""

from __future__ import annotations

import warnings
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from rgbt_track.config.image_fusion import ImageExperiment
from rgbt_track.image_fusion.networks import save_image_weights
from rgbt_track.image_fusion.training.data import ImagePairData
from rgbt_track.image_fusion.training.module import ImageFusionModule
from rgbt_track.training.callbacks import SaveLast
from rgbt_track.training.curves import draw_curves
from rgbt_track.training.metrics_file import MetricsFile, cut_metrics
from rgbt_track.training.run_folder import LAST, check_folder, steps_done, write_record

METRICS = "metrics.csv"


def train_image_fusion(
    experiment: ImageExperiment,
    out: str | Path,
    *,
    resume: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
    accelerator: str = "auto",
    progress: bool = True,
) -> Path:
    """Train an image-fusion experiment into the folder ``out``; returns its weights file.

    Arguments and errors are those of ``run.train``.
    """
    out = Path(out)
    last = out / "checkpoints" / LAST
    check_folder(out, last, experiment, resume, sections=("network",))
    done = steps_done(last) if resume else 0
    pl.seed_everything(experiment.training.seed, workers=True, verbose=False)
    data = ImagePairData(experiment)
    module = ImageFusionModule(experiment)
    trainer = _trainer(experiment, out, devices, nodes, accelerator, progress, bool(data.held_out))
    if trainer.is_global_zero:
        write_record(out, experiment)
        if resume:
            cut_metrics(out / METRICS, done)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*module.s. in eval mode.*")
        checkpoint = str(last) if resume else None
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    weights = out / "weights.safetensors"
    if trainer.is_global_zero:
        network = experiment.network
        save_image_weights(weights, module.network, network.name, network.args)
        if (out / METRICS).is_file():
            draw_curves(out / METRICS, out / "curves.png")
    return weights


def _trainer(
    experiment: ImageExperiment,
    out: Path,
    devices: int | str,
    nodes: int,
    accelerator: str,
    progress: bool,
    validates: bool,
) -> pl.Trainer:
    training = experiment.training
    callbacks: list[Callback] = [SaveLast(out / "checkpoints" / LAST, training.checkpoint_every)]
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    return pl.Trainer(
        default_root_dir=out,
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        precision=training.precision,
        max_epochs=training.epochs,
        gradient_clip_val=training.optimizer.clip or None,
        limit_val_batches=None if validates else 0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=5,
        logger=[
            MetricsFile(out / METRICS),
            TensorBoardLogger(out, name="", version="log"),
        ],
        callbacks=callbacks,
        enable_progress_bar=progress,
        enable_model_summary=False,
    )
