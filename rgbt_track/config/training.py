"""Settings of a training run: the ``training:`` section of an experiment.

Plain frozen dataclasses without any import of torch or Lightning, so that reading an experiment
stays light. Lengths named ``pixels`` are pixels of the network's input crops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rgbt_track.config.bounds import MAX_COUNT, MAX_WORKERS, check_bounds, check_shares
from rgbt_track.config.pairs import (
    AugmentConfig,
    SourceConfig,
    StoreConfig,
    TargetConfig,
    TeacherConfig,
)

LoggerName = Literal["csv", "tensorboard", "wandb"]
Loggers = LoggerName | tuple[LoggerName, ...]


def logger_names(loggers: Loggers) -> tuple[LoggerName, ...]:
    """The loggers of a run, each once; ``metrics.csv`` is always written."""
    return tuple(dict.fromkeys(loggers if isinstance(loggers, tuple) else (loggers,)))


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of the loss: SiamRPN++'s 1.0 and 1.2, DFAT's 0.1 for eq. 15.

    Args:
        cls: weight of the classification.
        loc: weight of the regression of the offsets.
        feature: weight of the feature loss; 0 switches it off.
        feature_kind: which one: ``llrr``, eq. 15 of LRRNet, or ``rfn``, the one of DFAT with RFN.
        feature_at: the levels it compares: behind the ``neck``, or those of the ``backbone`` with
            ``model.fuse_at: backbone``.
        feature_sides: the crops it is summed over, of ``search`` and ``template``.
        iou: weight of 1 - IoU of the decoded boxes; 0 switches it off.
        distill_response: weight of the divergence of the scores from ``training.teacher``'s; 0
            switches it off.
        distill_box: weight of 1 - IoU of the boxes with the teacher's; 0 switches it off.
        classification: ``cross_entropy`` (pysot); with ``quality`` the score of a target anchor
            learns the overlap of its own box, by quality focal loss.
        regression: ``l1`` (pysot) or ``smooth_l1``.
        feature_levels: indices of the shallow, middle and deep level of eq. 15; RFN's takes all.
    """

    cls: float = 1.0
    loc: float = 1.2
    feature: float = 0.1
    feature_kind: Literal["llrr", "rfn"] = "llrr"
    feature_at: Literal["neck", "backbone"] = "neck"
    feature_sides: tuple[Literal["search", "template"], ...] = ("search",)
    iou: float = 0.0
    distill_response: float = 0.0
    distill_box: float = 0.0
    classification: Literal["cross_entropy", "quality"] = "cross_entropy"
    regression: Literal["l1", "smooth_l1"] = "l1"
    feature_levels: tuple[int, int, int] = (0, 1, 2)

    def __post_init__(self) -> None:
        for name in ("distill_response", "distill_box"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")
        if not self.feature_sides or len(set(self.feature_sides)) < len(self.feature_sides):
            raise ValueError(
                f"feature_sides is {list(self.feature_sides)}; expected search, template or both"
            )
        check_bounds(self, feature_levels=(0, 100))

    @property
    def distills(self) -> bool:
        """Whether a teacher is run on every pair."""
        return self.distill_response > 0 or self.distill_box > 0


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimizer and learning rate schedule.

    Args:
        name: ``sgd`` or ``adamw``.
        lr: learning rate of the heads after the warm-up.
        lr_batch: pairs per step that ``lr``, ``final_lr`` and ``warmup_lr`` are meant for. A run
            with n pairs per step, over all processes and accumulated batches, takes n / lr_batch of
            them (Goyal et al., 2017). 0: they hold for any number.
        final_lr: learning rate at the end of the run.
        warmup_lr: learning rate at the start of the warm-up.
        warmup_epochs: epochs of linear growth from ``warmup_lr`` to ``lr``.
        schedule: how ``lr`` falls to ``final_lr``: ``log`` (SiamRPN++), ``cosine``, or not at all.
        momentum: of SGD.
        weight_decay: of the weights of layers.
        backbone: factor of the backbone's learning rate.
        neck: factor of the neck's.
        fusion: factor of the fusion module's.
        frozen_backbone_epochs: the backbone is trained only after so many epochs (SiamRPN++: 10).
        clip: largest norm of the gradient; 0 for none.
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
    lr_batch: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Args:
        root: the folder that relative paths of sources begin at.
        sources: data sets to train on.
        validation: held-out sequences; the best checkpoints are those that track them best.
        validation_frames: of each of them, at most so many frames; 0 for all.
        stage: ``branches`` trains everything but the fused branch, ``fusion`` only the fusion
            module and its head with the rest frozen (as in the paper), ``all`` everything.
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
        paste_objects: share of the other pairs, where a scene has both modalities, whose target is
            an object of the sources with ``objects``.
        distractors: share of the pairs with a target that have such an object beside it in the
            search crop; of the same kind as a pasted target, by the name up to its first digit.
        workers: loader processes per training process.
        freeze_batch_norm: keep every batch norm's running statistics as they are.
        frozen_engine: what computes a frozen backbone, ``torch`` or ``openvino`` (on a CPU, in
            bfloat16; needs the extra ``openvino``).
        channels_last: memory layout of the network, faster on most CPUs.
        seed: of weights, pairs and augmentation.
        epochs: length of the run.
        precision: Lightning's.
        accumulate: batches per optimizer step.
        checkpoint_every: steps between two saves of ``last.ckpt``.
        log_every: steps between two lines of the logs.
        logger: where the metrics go beside ``metrics.csv``: ``tensorboard``, ``wandb`` (Weights &
            Biases), both as a list, or ``csv`` for nowhere else.
        validate_every: epochs between two validations.
        keep_best: how many best checkpoints stay.
        teacher: the tracker whose outputs ``loss.distill_response`` and ``distill_box`` teach.
        average: decay per step of a running mean of the weights, which is then validated and
            exported (0.999, for example); 0 for none.
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
    paste_objects: float = 0.0
    distractors: float = 0.0
    workers: int = 2
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accumulate: int = 1
    freeze_batch_norm: bool = False
    frozen_engine: Literal["torch", "openvino"] = "torch"
    channels_last: bool = False
    checkpoint_every: int = 500
    log_every: int = 10
    logger: Loggers = "tensorboard"
    validate_every: int = 1
    keep_best: int = 3
    average: float = 0.0
    store: StoreConfig = field(default_factory=StoreConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()

    def __post_init__(self) -> None:
        counts = ("epochs", "batch", "pairs_per_epoch", "accumulate", "checkpoint_every")
        check_bounds(
            self, **dict.fromkeys((*counts, "log_every", "validate_every"), (1, MAX_COUNT))
        )
        check_bounds(
            self,
            workers=(0, MAX_WORKERS),
            validation_frames=(0, MAX_COUNT),
            keep_best=(0, MAX_COUNT),
            seed=(0, 2**32 - 1),
        )
        shares = ("negative", "lookalike", "paste", "paste_objects", "distractors", "average")
        check_shares(self, shares)
        if self.loss.distills and self.teacher.path is None:
            raise ValueError(
                "loss.distill_response and loss.distill_box need a teacher: give teacher.path"
            )
        if self.init_fusion_anew and (self.stage != "fusion" or self.init_weights is None):
            raise ValueError(
                "init_fusion_anew is for stage fusion, behind branches of init_weights"
            )
        if self.init_backbone is not None and self.stage == "fusion":
            raise ValueError(
                "init_backbone is for the stages branches and all: stage fusion learns no branch; "
                "give it the branches' init_weights"
            )
