"""Settings of an image-fusion experiment: a YAML that begins with ``task: image_fusion``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fusion_modules.image.losses import ImageLossWeights
from rgbt_track.config.bounds import MAX_COUNT, MAX_SIDE, MAX_WORKERS, check_bounds
from rgbt_track.config.experiments import find_experiment
from rgbt_track.config.overrides import read_values
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.training import Loggers


@dataclass(frozen=True)
class ImageNetworkConfig:
    """A network of ``IMAGE_NETWORKS`` and the arguments of its constructor."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PairSourceConfig:
    """Registered pairs: a data set's description (``pairs`` is any ``color/ ir/``) and its folder.

    Args:
        dataset: name or YAML of the description.
        folder: where the pairs lie, relative to ``training.root``.
        split: the part of the data set, where it has splits.
        every: take every N-th frame of video.
    """

    dataset: str = "pairs"
    folder: str = "."
    split: str | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every is {self.every}; expected at least 1")


@dataclass(frozen=True)
class ImageOptimizerConfig:
    """The optimizer and its learning rate.

    Args:
        name: ``adam`` with its L2 term (the authors' code), or ``adamw`` with decoupled decay.
        lr: learning rate at the start.
        weight_decay: of all parameters.
        final_share: the rate falls along a cosine to this share of ``lr``; 1 keeps it constant.
        clip: largest norm of the gradient; 0 for none.
    """

    name: Literal["adam", "adamw"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.0
    final_share: float = 1.0
    clip: float = 0.0


@dataclass(frozen=True)
class StageConfig:
    """Stages by progress of the training, in [0, 1].

    Until ``reconstruct_until`` only the reconstruction is trained, from ``full_at`` on only the
    fusion, with a linear transition in between. Both 0: no stages.
    """

    reconstruct_until: float = 0.0
    full_at: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.reconstruct_until <= self.full_at <= 1:
            raise ValueError("stages need 0 <= reconstruct_until <= full_at <= 1")


@dataclass(frozen=True)
class ImageTrainingConfig:
    """One training run.

    Args:
        root: the folder that relative paths of sources begin at.
        sources: pairs to train on.
        validation: pairs held out; their mean loss is logged after each epoch.
        side: pixels of the square images that are trained on.
        view: ``resize`` resizes whole images to it (the paper); ``crop`` cuts a random square of
            up to twice the side, every second one mirrored, from images stretched by their own
            range, and compares the output without scaling: a crop's own range has no meaning.
        features: ``vgg16`` (torchvision's ImageNet weights), a file with them, or
            ``random_vgg16``, an untrained network for machines that cannot download them.
        seed: of weights and pairs.
        epochs: length of the run.
        batch: pairs per process and step.
        pairs_per_epoch: pairs drawn per epoch.
        distinct_pairs: of all pairs so many are chosen once, without replacement, and every epoch
            goes through them in a new order (the authors: 20,000 of KAIST); it is at least
            ``pairs_per_epoch``. 0: each pair of an epoch is drawn from all, with replacement.
        workers: loader processes per training process.
        precision: Lightning's.
        checkpoint_every: steps between two saves of ``last.ckpt``.
        logger: as in ``TrainingConfig``.
    """

    root: str = "."
    sources: tuple[PairSourceConfig, ...] = ()
    validation: tuple[PairSourceConfig, ...] = ()
    side: int = 128
    view: Literal["resize", "crop"] = "resize"
    features: str = "vgg16"
    seed: int = 1
    epochs: int = 4
    batch: int = 8
    pairs_per_epoch: int = 20000
    distinct_pairs: int = 0
    workers: int = 2
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    checkpoint_every: int = 200
    logger: Loggers = "tensorboard"
    loss: ImageLossWeights = field(default_factory=ImageLossWeights)
    stages: StageConfig = StageConfig()
    optimizer: ImageOptimizerConfig = ImageOptimizerConfig()

    def __post_init__(self) -> None:
        for name in ("side", "epochs", "batch", "pairs_per_epoch", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.distinct_pairs < 0 or 0 < self.distinct_pairs < self.pairs_per_epoch:
            raise ValueError(
                f"distinct_pairs is {self.distinct_pairs}; expected pairs_per_epoch, "
                f"{self.pairs_per_epoch}, or more, or 0 to draw with replacement"
            )
        if self.side < 16:
            raise ValueError(f"side is {self.side}; the fourth block of VGG-16 needs at least 16")
        check_bounds(self, side=(16, MAX_SIDE), workers=(0, MAX_WORKERS), seed=(0, 2**32 - 1))
        counts = ("epochs", "batch", "pairs_per_epoch", "checkpoint_every")
        check_bounds(self, **dict.fromkeys(counts, (1, MAX_COUNT)))


@dataclass(frozen=True)
class ImageExperiment:
    """One image-fusion experiment.

    Args:
        name: of the experiment.
        network: what is trained.
        task: ``image_fusion``.
        training: how it is trained.
        note: free text.
    """

    name: str
    network: ImageNetworkConfig
    task: Literal["image_fusion"] = "image_fusion"
    training: ImageTrainingConfig = ImageTrainingConfig()
    note: str = ""


def load_image_experiment(name: str | Path, settings: Iterable[str] = ()) -> ImageExperiment:
    """Read an image-fusion experiment, with ``key.key=value`` settings applied.

    Raises ``FileNotFoundError`` for an unknown name or path and ``ValueError``, naming file and
    key, for anything that is not a setting.
    """
    path = find_experiment(name, "image_fusion")
    return from_mapping(ImageExperiment, read_values(path, settings), str(path))
