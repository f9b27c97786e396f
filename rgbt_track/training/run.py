"""Training a tracker: from an experiment to a run folder with weights, logs and curves.

The folder keeps ``config.yaml``, ``run.json`` (commit, versions, machine, seed), ``checkpoints/``
(``last.ckpt`` and the best), ``metrics.csv``, ``log/`` (TensorBoard), ``curves.png``,
``weights.safetensors`` (as they are at the end) and, with a validation, ``best.safetensors``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor

from rgbt_track.config.run_files import BEST, WEIGHTS
from rgbt_track.config.tracker import Config
from rgbt_track.models.checkpoint import load_weights, save_weights
from rgbt_track.training.callbacks import SaveBest
from rgbt_track.training.datamodule import PairData
from rgbt_track.training.fit import Run, begin, draw_run, fit, make_trainer
from rgbt_track.training.init_weights import load_start
from rgbt_track.training.module import TrackingModule
from rgbt_track.training.schedule import describe_rate


def train(
    config: Config,
    out: str | Path,
    *,
    resume: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
    accelerator: str = "auto",
    progress: bool = True,
    notify: Callable[[str], object] | None = None,
) -> Path:
    """Train an experiment into the folder ``out``; returns its weights file.

    Args:
        config: the experiment.
        out: the run's folder.
        resume: continue from the folder's last checkpoint.
        devices: GPUs, or processes on the CPU, per machine; Lightning's.
        nodes: number of machines; Lightning's.
        accelerator: auto, cpu, gpu or mps; Lightning's.
        progress: show a progress bar.
        notify: is told in one line what the learning rate is.

    Raises:
        ValueError: settings that do not fit, or data that cannot be used.
        OSError: missing data, a folder that holds another run, or nothing to resume.
    """
    run = Run(Path(out).resolve(), resume, devices, nodes, accelerator, progress)
    done = begin(run, config, sections=("model", "tracking"))
    data = PairData(config)
    module = TrackingModule(config)
    if not resume:
        load_start(module.network, config.training)
    trainer = make_tracking_trainer(run, config, validates=bool(data.sequences))
    if notify is not None and trainer.is_global_zero:
        notify(describe_rate(config.training, trainer.world_size))
    fit(run, config, trainer, module, data, done)
    if trainer.is_global_zero:
        # The last weights, and the best of the validation.
        save_weights(run.out / WEIGHTS, module.network, config)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, SaveBest) and callback.best_model_path:
                load_weights(module.network, callback.best_model_path)
                save_weights(run.out / BEST, module.network, config)
        draw_run(run)
    return run.out / WEIGHTS


def make_tracking_trainer(run: Run, config: Config, validates: bool) -> pl.Trainer:
    """``make_trainer`` with the callbacks and the strategy of a tracker's training.

    ``validates``: there are validation sequences.
    """
    training = config.training
    callbacks: list[Callback] = []
    if training.average:
        average = functools.partial(running_mean, training.average)
        callbacks.append(WeightAveraging(avg_fn=average))
    if validates and training.keep_best:
        callbacks.append(
            SaveBest(
                run.checkpoints,
                filename="best-{epoch:03d}-{val/ao:.4f}",
                auto_insert_metric_name=False,
                monitor="val/ao",
                mode="max",
                save_top_k=training.keep_best,
            )
        )
    # DDP needs to know of parameters that get no gradient until the backbone is unfrozen.
    has_processes = run.nodes > 1 or run.devices == "auto"
    has_processes |= isinstance(run.devices, int) and run.devices > 1
    is_delayed = training.optimizer.frozen_backbone_epochs > 0
    return make_trainer(
        run,
        training,
        validates=validates,
        callbacks=callbacks,
        strategy="ddp_find_unused_parameters_true" if has_processes and is_delayed else "auto",
        accumulate_grad_batches=training.accumulate,
        check_val_every_n_epoch=training.validate_every,
        log_every_n_steps=training.log_every,
        benchmark=True,
    )


def running_mean(decay: float, mean: Tensor, value: Tensor, steps: Tensor) -> Tensor:
    """Exponential moving average of the weights, with the decay (1 + n) / (10 + n) at step n first.

    With the full decay from the start, a short run would keep much of its random initialization.
    Counters of batch norms are averaged too, and rounded when they are stored.

    Args:
        decay: largest decay per step.
        mean: the average so far.
        value: the weights of this step.
        steps: n.
    """
    decay_now = torch.clamp((1 + steps) / (10 + steps), max=decay)
    return decay_now * mean + (1 - decay_now) * value
