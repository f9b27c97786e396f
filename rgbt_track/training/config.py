"""Settings of a training run: the ``training:`` section of an experiment.

Plain frozen dataclasses without any import of torch or Lightning, so that reading an experiment
stays light. Lengths named ``pixels`` are pixels of the network's input crops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SourceConfig:
    """One data set to train or validate on: packed crops (``lmdb``) or loose files (``dataset``).

    Args:
        lmdb: a file made by ``rgbt-track data lmdb``, relative to ``training.root``.
        dataset: otherwise the name, or the YAML, of a data set description ...
        folder: ... and where the set lies, relative to ``training.root``.
        split: the part of the data set, where it has splits.
        sequences: names to take (shell patterns); all without it.
        exclude: names to leave out (shell patterns).
        leave_out: leave out one sequence in N, chosen by its name alone (0: none) ...
        left_out: ... or take only those: a validation set out of the training set.
        weight: share of the draws, relative to the other sources.
        frame_range: template and search frame are at most this many frames apart.
        one_video: all sequences show one scene, so none is a negative of another.
        pseudo_thermal: invent the thermal channel of a visible-only set while training.
    """

    lmdb: str | None = None
    dataset: str | None = None
    folder: str = "."
    split: str | None = None
    sequences: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    leave_out: int = 0
    left_out: int = 0
    weight: float = 1.0
    frame_range: int = 100
    one_video: bool = False
    pseudo_thermal: bool = True

    def __post_init__(self) -> None:
        if (self.lmdb is None) == (self.dataset is None):
            raise ValueError("a source needs either 'lmdb' or 'dataset' (with 'folder')")
        if self.weight <= 0 or self.frame_range < 0:
            raise ValueError(f"weight {self.weight} must be positive and frame_range at least 0")

    @property
    def label(self) -> str:
        """How errors and logs call this source."""
        return self.lmdb or f"{self.dataset} in {self.folder}"


@dataclass(frozen=True)
class StoreConfig:
    """Geometry of stored crops: a square of ``factor`` context sides, ``size`` pixels wide.

    At 511 and 4 a context side is 127.75 pixels: the template's own resolution. The search crop,
    enlarged and shifted by augmentation, should still fit in.
    """

    size: int = 511
    factor: float = 4.0
    context: float = 0.5
    quality: int = 95

    def __post_init__(self) -> None:
        if self.size < 16 or self.factor < 1 or not 1 <= self.quality <= 100:
            raise ValueError(
                f"size {self.size} must be at least 16, factor {self.factor} at least 1, "
                f"quality {self.quality} in 1..100"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to a pair. Shifts are pixels of the crop, scales shares of its side.

    DFAT's numbers: template shift 4, scale 0.05; search shift 96, scale 0.18, blur 0.18. All
    others are probabilities, except ``registration`` (pixels between the modalities), ``colour``
    (strength) and ``noise`` (grey levels).
    """

    template_shift: float = 4.0
    template_scale: float = 0.05
    search_shift: float = 96.0
    search_scale: float = 0.18
    blur: float = 0.18
    flip: float = 0.5
    gray: float = 0.1
    colour: float = 0.25
    noise: float = 4.0
    registration: float = 2.0
    black: float = 0.04
    frozen: float = 0.04
    noisy: float = 0.04
    veiled: float = 0.0


@dataclass(frozen=True)
class TargetConfig:
    """Which anchors are taught what: pysot's thresholds of overlap and numbers of anchors.

    ``best_is_positive`` takes the best anchor where none overlaps enough, as Faster R-CNN does.
    """

    positive_iou: float = 0.6
    negative_iou: float = 0.3
    positives: int = 16
    total: int = 64
    negative_pair_anchors: int = 16
    best_is_positive: bool = False


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; SiamRPN++'s 1.0 and 1.2, DFAT's 0.1 for the feature loss (eq. 15).

    ``regression`` is ``l1`` (pysot), ``smooth_l1`` or ``iou``. ``branches`` weighs the branches'
    losses. ``feature_levels`` are the three levels of eq. 15, by index.
    """

    cls: float = 1.0
    loc: float = 1.2
    feature: float = 0.1
    iou: float = 0.0
    regression: Literal["l1", "smooth_l1"] = "l1"
    feature_levels: tuple[int, int, int] = (0, 1, 2)


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimiser and schedule. Rates are those of the heads; a group's is its factor times that.

    ``warmup_epochs`` lead linearly from ``warmup_lr`` to ``lr``; the rest leads to ``final_lr`` by
    ``schedule``. ``frozen_backbone_epochs`` delays the backbone, as SiamRPN++ does.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.005
    final_lr: float = 0.0025
    warmup_lr: float = 0.001
    warmup_epochs: float = 5.0
    schedule: Literal["log", "cosine", "constant"] = "log"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    backbone: float = 0.1
    neck: float = 1.0
    fusion: float = 1.0
    frozen_backbone_epochs: int = 0
    clip: float = 10.0


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Args:
        root: the folder that relative paths of sources begin at.
        sources: what is trained on.
        validation: sequences held out; the best checkpoints are those that track them best.
        validation_frames: of each of them, at most so many frames; 0 for all.
        stage: ``branches`` trains everything but the fused branch, ``fusion`` only the fusion
            module and its head with all else frozen (the paper's way), ``all`` everything.
        init_weights: weights to start from: a path, or one below ``root``.
        init_backbone: otherwise torchvision's weights for the backbone alone, such as
            ``IMAGENET1K_V2``, downloaded once; they go with ``model.pixels: imagenet``.
        init_fusion_anew: in the stage ``fusion``, leave the fusion and its head as initialised,
            so that fusions are compared from the same start.
        batch: pairs per process and step.
        pairs_per_epoch: pairs drawn per epoch, over all processes.
        negative: share of pairs whose search crop shows another target.
        paste: share of the other pairs, where the target has a mask, that show it pasted into
            another scene (crop-transform-paste).
        workers: loader processes per training process.
        freeze_batch_norm: keep every batch norm's running statistics as they are.
        channels_last: memory layout of the network, faster on most processors.
        checkpoint_every: steps between two saves of ``last.ckpt``.
        log_every: steps between two lines of the logs.
        validate_every: epochs between two validations.
        keep_best: how many best checkpoints stay.
        average: decay per step of a running mean of the weights, which is then what is validated
            and exported (0.999, say); 0 for none.
    """

    root: str = "."
    sources: tuple[SourceConfig, ...] = ()
    validation: tuple[SourceConfig, ...] = ()
    validation_frames: int = 0
    stage: Literal["branches", "fusion", "all"] = "all"
    init_weights: str | None = None
    init_backbone: str | None = None
    init_fusion_anew: bool = False
    seed: int = 1
    epochs: int = 50
    batch: int = 32
    pairs_per_epoch: int = 60000
    negative: float = 0.2
    paste: float = 0.0
    workers: int = 2
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accumulate: int = 1
    freeze_batch_norm: bool = False
    channels_last: bool = False
    checkpoint_every: int = 500
    log_every: int = 10
    validate_every: int = 1
    keep_best: int = 3
    average: float = 0.0
    store: StoreConfig = StoreConfig()
    augment: AugmentConfig = AugmentConfig()
    targets: TargetConfig = TargetConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()

    def __post_init__(self) -> None:
        if self.init_fusion_anew and (self.stage != "fusion" or self.init_weights is None):
            raise ValueError(
                "init_fusion_anew is for stage fusion, behind branches of init_weights"
            )
        if self.init_backbone is not None and self.stage == "fusion":
            raise ValueError(
                "init_backbone is for the stages branches and all: stage fusion learns no branch; "
                "give it the branches' init_weights"
            )
