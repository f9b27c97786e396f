"""Training an image-fusion network, into a run folder like a tracker's."""

from __future__ import annotations

from pathlib import Path

from rgbt_track.config.image_fusion import ImageExperiment
from rgbt_track.config.run_files import WEIGHTS
from rgbt_track.image_fusion.training.data import ImagePairData
from rgbt_track.image_fusion.training.module import ImageFusionModule
from rgbt_track.models.image_networks import save_image_weights
from rgbt_track.training.fit import Run, begin, draw_run, fit, make_trainer

_LOG_EVERY = 5


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

    Args:
        experiment: the experiment.
        out: as in ``training.run.train``, whose errors it raises too.
        resume: as there.
        devices: as there.
        nodes: as there.
        accelerator: as there.
        progress: as there.
    """
    run = Run(Path(out), resume, devices, nodes, accelerator, progress)
    done = begin(run, experiment, sections=("network",))
    data = ImagePairData(experiment)
    module = ImageFusionModule(experiment)
    trainer = make_trainer(
        run, experiment.training, validates=bool(data.held_out), log_every_n_steps=_LOG_EVERY
    )
    fit(run, experiment, trainer, module, data, done)
    weights = run.out / WEIGHTS
    if trainer.is_global_zero:
        network = experiment.network
        save_image_weights(weights, module.network, network.name, network.args)
        draw_run(run)
    return weights
