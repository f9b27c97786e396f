"""A whole training run: from an experiment to a run folder with weights, logs and curves.

The folder keeps ``config.yaml``, ``run.json`` (commit, versions, machine, seed), ``checkpoints/``
(``last.ckpt`` and the best), ``metrics.csv``, ``log/`` (TensorBoard), ``curves.png``,
``weights.safetensors`` (as they are at the end) and, with a validation, ``best.safetensors``.
"""

from __future__ import annotations

import functools
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from torch import Tensor

from rgbt_track.config.tracker import Config
from rgbt_track.models.checkpoint import load_weights, save_weights
from rgbt_track.training.datamodule import PairData
from rgbt_track.training.fit import WEIGHTS, Run, begin, draw_run, fit, make_trainer
from rgbt_track.training.init_weights import load_start
from rgbt_track.training.module import TrackingModule

BEST = "best.safetensors"


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
    run = Run(Path(out).resolve(), resume, devices, nodes, accelerator, progress)
    done = begin(run, config, sections=("model", "tracking"))
    data = PairData(config)
    module = TrackingModule(config)
    if not resume:
        load_start(module.network, config.training)
    trainer = _trainer(run, config, validates=bool(data.sequences))
    fit(run, config, trainer, module, data, done)
    if trainer.is_global_zero:
        _save(run, trainer, module, config)
        draw_run(run)
    return run.out / WEIGHTS


def _trainer(run: Run, config: Config, validates: bool) -> pl.Trainer:
    training = config.training
    several = (
        run.nodes > 1 or (isinstance(run.devices, int) and run.devices > 1) or run.devices == "auto"
    )
    return make_trainer(
        run,
        training,
        validates=validates,
        callbacks=_callbacks(run, config, validates),
        strategy=_strategy(config) if several else "auto",
        accumulate_grad_batches=training.accumulate,
        check_val_every_n_epoch=training.validate_every,
        log_every_n_steps=training.log_every,
        benchmark=True,
    )


def _strategy(config: Config) -> str:
    """DDP where there are several processes; parts that never learn are simply not in it."""
    if config.training.optimizer.frozen_backbone_epochs:
        return "ddp_find_unused_parameters_true"
    return "auto"


def _callbacks(run: Run, config: Config, validates: bool) -> list[Callback]:
    training = config.training
    callbacks: list[Callback] = []
    if training.average:
        average = functools.partial(running_mean, training.average)
        callbacks.append(WeightAveraging(avg_fn=average))
    if validates and training.keep_best:
        callbacks.append(
            ModelCheckpoint(
                run.checkpoints,
                filename="best-{epoch:03d}-{val/ao:.4f}",
                auto_insert_metric_name=False,
                monitor="val/ao",
                mode="max",
                save_top_k=training.keep_best,
            )
        )
    return callbacks


def running_mean(decay: float, mean: Tensor, value: Tensor, steps: Tensor) -> Tensor:
    """Exponential moving average of the weights, (1 + n) / (10 + n) as decay in the first steps.

    With the full decay from the start on, a short run would keep much of its random start. Counters
    of batch norms are averaged too, and rounded by whoever stores them.
    """
    decay_now = torch.clamp((1 + steps) / (10 + steps), max=decay)
    return decay_now * mean + (1 - decay_now) * value


def _save(run: Run, trainer: pl.Trainer, module: TrackingModule, config: Config) -> None:
    save_weights(run.out / WEIGHTS, module.network, config)
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.best_model_path:
            load_weights(module.network, callback.best_model_path)
            save_weights(run.out / BEST, module.network, config)
