"""A whole training run: from an experiment to a run folder with weights, logs and curves.

The folder keeps ``config.yaml``, ``run.json`` (commit, versions, machine, seed), ``checkpoints/``
(``last.ckpt`` and the best), ``metrics.csv``, ``log/`` (TensorBoard), ``curves.png``,
``weights.safetensors`` (as they are at the end) and, with a validation, ``best.safetensors``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import (
    Callback,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from rgbt_track.config.tracker import Config
from rgbt_track.models.checkpoint import load_weights, save_weights
from rgbt_track.training.callbacks import SaveLast
from rgbt_track.training.curves import draw_curves
from rgbt_track.training.datamodule import PairData
from rgbt_track.training.init_weights import load_start
from rgbt_track.training.metrics_file import MetricsFile, cut_metrics
from rgbt_track.training.module import TrackingModule
from rgbt_track.training.run_folder import LAST, check_folder, steps_done, write_record

METRICS, BEST = "metrics.csv", "best.safetensors"


def train(
    config: Config,
    out: str | Path,
    *,
    resume: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
    accelerator: str = "auto",
    progress: bool = True,
) -> Path:
    """Train an experiment into the folder ``out``; returns its weights file.

    ``resume`` goes on from the folder's last checkpoint. ``devices``, ``nodes`` and
    ``accelerator`` are Lightning's. Raises ``ValueError`` or ``OSError`` in one line for settings
    that do not fit, missing data, a folder that holds another run, and nothing to resume.
    """
    out = Path(out).resolve()
    last = out / "checkpoints" / LAST
    check_folder(out, last, config, resume)
    done = steps_done(last) if resume else 0
    pl.seed_everything(config.training.seed, workers=True, verbose=False)
    data = PairData(config)
    module = TrackingModule(config)
    if not resume:
        load_start(module.network, config.training)
    try:
        trainer = build_trainer(
            config,
            out,
            devices=devices,
            nodes=nodes,
            accelerator=accelerator,
            progress=progress,
            validates=bool(data.sequences),
        )
    except MisconfigurationException as error:
        raise ValueError(f"Lightning refuses these settings: {error}") from None
    if trainer.is_global_zero:
        write_record(out, config)
        if resume:
            cut_metrics(out / METRICS, done)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        checkpoint = str(last) if resume else None
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return _finish(trainer, module, config, out)


def build_trainer(
    config: Config,
    out: Path,
    *,
    devices: int | str = "auto",
    nodes: int = 1,
    accelerator: str = "auto",
    progress: bool = True,
    validates: bool = True,
) -> pl.Trainer:
    """Lightning's Trainer as an experiment wants it."""
    training = config.training
    callbacks = _callbacks(config, out, progress, validates)
    several = nodes > 1 or (isinstance(devices, int) and devices > 1) or devices == "auto"
    return pl.Trainer(
        default_root_dir=out,
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=_strategy(config) if several else "auto",
        precision=training.precision,
        max_epochs=training.epochs,
        accumulate_grad_batches=training.accumulate,
        gradient_clip_val=training.optimizer.clip or None,
        check_val_every_n_epoch=training.validate_every,
        limit_val_batches=None if validates else 0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=training.log_every,
        logger=[
            MetricsFile(out / METRICS),
            TensorBoardLogger(out, name="", version="log"),
        ],
        callbacks=callbacks,
        enable_progress_bar=progress,
        enable_model_summary=False,
        benchmark=True,
    )


def _strategy(config: Config) -> str:
    """DDP where there are several processes; parts that never learn are simply not in it."""
    if config.training.optimizer.frozen_backbone_epochs:
        return "ddp_find_unused_parameters_true"
    return "auto"


def _callbacks(config: Config, out: Path, progress: bool, validates: bool) -> list[Callback]:
    training = config.training
    folder = out / "checkpoints"
    callbacks: list[Callback] = [SaveLast(folder / LAST, training.checkpoint_every)]
    if training.average:
        callbacks.append(EMAWeightAveraging(decay=training.average))
    if validates and training.keep_best:
        callbacks.append(
            ModelCheckpoint(
                folder,
                filename="best-{epoch:03d}-{val/ao:.4f}",
                auto_insert_metric_name=False,
                monitor="val/ao",
                mode="max",
                save_top_k=training.keep_best,
            )
        )
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    return callbacks


def _finish(trainer: pl.Trainer, module: TrackingModule, config: Config, out: Path) -> Path:
    weights = out / "weights.safetensors"
    if trainer.is_global_zero:
        save_weights(weights, module.network, config)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.best_model_path:
                load_weights(module.network, callback.best_model_path)
                save_weights(out / BEST, module.network, config)
        if (out / METRICS).is_file():
            draw_curves(out / METRICS, out / "curves.png")
    return weights
