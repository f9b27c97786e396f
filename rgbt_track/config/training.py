"""Settings of a training run: the ``training:`` section of an experiment.

Plain frozen dataclasses without any import of torch or Lightning, so that reading an experiment
stays light. Lengths named ``pixels`` are pixels of the network's input crops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rgbt_track.config.pairs import AugmentConfig, SourceConfig, StoreConfig, TargetConfig


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; SiamRPN++'s 1.0 and 1.2, DFAT's 0.1 for the feature loss (eq. 15).

    Args:
        cls, loc, feature, iou: weights of classification, of the offsets' distance, of eq. 15, and
            of 1 - IoU of the decoded boxes.
        classification: ``cross_entropy`` (pysot); with ``quality`` the score of a target anchor
            learns the overlap of its own box, by quality focal loss.
        regression: distance of the offsets, ``l1`` (pysot) or ``smooth_l1``.
        feature_levels: the three levels of eq. 15, by index.
    """

    cls: float = 1.0
    loc: float = 1.2
    feature: float = 0.1
    iou: float = 0.0
    classification: Literal["cross_entropy", "quality"] = "cross_entropy"
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
        init_backbone: otherwise weights for the backbone alone. For resnet50 torchvision's, such
            as ``IMAGENET1K_V2``, downloaded once; they go with ``model.pixels: imagenet``. For a
            timm model ``packaged``: the weights in its pip package, if it has one.
        init_fusion_anew: in the stage ``fusion``, leave the fusion and its head as initialised,
            so that fusions are compared from the same start.
        batch: pairs per process and step.
        pairs_per_epoch: pairs drawn per epoch, over all processes.
        negative: share of pairs whose search crop shows another target.
        lookalike: share of those whose other target comes from the same source, which is likely to
            be of its kind.
        paste: share of the other pairs, where the target has a mask, that show it pasted into
            another scene (crop-transform-paste).
        workers: loader processes per training process.
        freeze_batch_norm: keep every batch norm's running statistics as they are.
        frozen_engine: what computes a backbone that does not learn, ``torch`` or ``openvino`` (on a
            CPU, in bfloat16; needs ``pip install openvino``).
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
    lookalike: float = 0.0
    paste: float = 0.0
    workers: int = 2
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accumulate: int = 1
    freeze_batch_norm: bool = False
    frozen_engine: Literal["torch", "openvino"] = "torch"
    channels_last: bool = False
    checkpoint_every: int = 500
    log_every: int = 10
    validate_every: int = 1
    keep_best: int = 3
    average: float = 0.0
    store: StoreConfig = field(default_factory=StoreConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)
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
