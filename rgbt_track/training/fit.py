"""What every training run does, of a tracker or of an image-fusion network.

A run begins in a folder that is new or its own, trains with Lightning's Trainer, keeps its record,
checkpoints and metrics there, and ends with curves. What differs is passed in.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from rgbt_track.config.image_fusion import ImageExperiment, ImageTrainingConfig
from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.run_files import CHECKPOINTS, CURVES, LAST, METRICS
from rgbt_track.config.tracker import Config
from rgbt_track.config.training import TrainingConfig
from rgbt_track.training.callbacks import SaveLast
from rgbt_track.training.curves import draw_curves
from rgbt_track.training.loggers import make_loggers
from rgbt_track.training.metrics_file import cut_metrics
from rgbt_track.training.run_folder import check_folder, steps_done, write_record
from rgbt_track.training.stopping import StopSignal, as_interruption

_HARMLESS = (
    ".*does not have many workers.*",
    ".*module.s. in eval mode.*",
    ".*smaller than the logging interval.*",  # which ``fit`` has fitted to the run
    "Checkpoint directory .* exists and is not empty.*",  # as it is of every resumed run
)


@dataclass(frozen=True)
class Run:
    """Where a run lies and what it runs on.

    Args:
        out: the run's folder.
        resume: go on from the folder's last checkpoint.
        devices, nodes, accelerator: Lightning's.
        progress: show a progress bar.
        stop: the signal that ends it.
    """

    out: Path
    resume: bool = False
    devices: int | str = "auto"
    nodes: int = 1
    accelerator: str = "auto"
    progress: bool = True
    stop: StopSignal = field(default_factory=StopSignal)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.out / CHECKPOINTS

    @property
    def last(self) -> Path:
        """The checkpoint that a resumed run goes on from."""
        return self.checkpoints / LAST


def begin(run: Run, experiment: Config | ImageExperiment, sections: tuple[str, ...]) -> int:
    """Check the folder and seed all generators; returns the steps that the run has done already.

    ``sections`` of the experiment must be as they were in a run that is resumed. Raises as
    ``check_folder`` and ``steps_done``.
    """
    check_folder(run.out, run.last, experiment, run.resume, sections)
    done = steps_done(run.last) if run.resume else 0
    pl.seed_everything(experiment.training.seed, workers=True, verbose=False)
    return done


def make_trainer(
    run: Run,
    training: TrainingConfig | ImageTrainingConfig,
    *,
    validates: bool,
    callbacks: Iterable[Callback] = (),
    **options: Any,
) -> pl.Trainer:
    """Lightning's Trainer with the settings that all trainings share.

    Raises ``ValueError`` in one line where Lightning refuses the settings, and
    ``ModuleNotFoundError`` for a logger that is not installed.

    Args:
        run: folder and devices.
        training: the settings.
        validates: there is validation data.
        callbacks: further callbacks.
        options: further arguments of the Trainer.
    """
    # Last of all, since it also saves what the others know, such as the best checkpoint.
    callbacks = [*callbacks, SaveLast(run.last, training.checkpoint_every, run.stop)]
    if run.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    try:
        return pl.Trainer(
            default_root_dir=run.out,
            accelerator=run.accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            precision=training.precision,
            max_epochs=training.epochs,
            gradient_clip_val=training.optimizer.clip or None,
            limit_val_batches=None if validates else 0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            logger=make_loggers(run.out, training.logger),
            callbacks=callbacks,
            enable_progress_bar=run.progress,
            enable_model_summary=False,
            **options,
        )
    except MisconfigurationException as error:
        raise ValueError(f"Lightning refuses these settings: {error}") from None


def fit(
    run: Run,
    experiment: Config | ImageExperiment,
    trainer: pl.Trainer,
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    done: int,
) -> None:
    """Write the run's record and train.

    Raises ``KeyboardInterrupt`` after Ctrl-C, and ``Stopped`` after SIGTERM, with a checkpoint of
    the step that was under way.

    Args:
        run: folder and devices.
        experiment: the settings, for the record.
        trainer: of ``make_trainer``.
        module: what is trained.
        data: its data.
        done: steps that a resumed run has done before.
    """
    # A run of fewer steps than lie between two lines of the logs has one line, at its end.
    steps = steps_in_run(experiment.training, trainer.world_size)
    interval = min(trainer.log_every_n_steps, max(steps, 1))  # type: ignore[attr-defined]
    trainer.log_every_n_steps = interval  # type: ignore[attr-defined]
    if trainer.is_global_zero:
        write_record(run.out, experiment)
        for logger in trainer.loggers:
            logger.log_hyperparams(to_mapping(experiment))
        if run.resume:
            cut_metrics(run.out / METRICS, done)
    with warnings.catch_warnings():
        for message in _HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        checkpoint = str(run.last) if run.resume else None
        with as_interruption(run.stop):
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)


def steps_in_run(training: TrainingConfig | ImageTrainingConfig, processes: int) -> int:
    """Optimizer steps of a whole run; the last batches of an epoch make a step of their own."""
    batches = training.pairs_per_epoch // (training.batch * processes)
    return -(-batches // getattr(training, "accumulate", 1)) * training.epochs


def draw_run(run: Run) -> None:
    """Draw the run's curves out of its metrics, if it has logged any."""
    if (run.out / METRICS).is_file():
        draw_curves(run.out / METRICS, run.out / CURVES)
