"""Settings of a tracker experiment: its network, its tracking loop, and its training.

``models/build.py`` turns ``ModelConfig`` into a network; ``Tracker`` takes ``TrackingConfig``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rgbt_track.config.bounds import (
    MAX_CHANNELS,
    MAX_COUNT,
    MAX_SIDE,
    MAX_THREADS,
    check_arguments,
    check_bounds,
)
from rgbt_track.config.experiments import experiment_names, find_experiment
from rgbt_track.config.overrides import read_values
from rgbt_track.config.parsing import from_mapping
from rgbt_track.config.training import TrainingConfig
from rgbt_track.config.yaml_files import read_yaml
from rgbt_track.user_modules import find_user_module

_MAX_ANCHORS = 1000


@dataclass(frozen=True)
class AnchorConfig:
    """Anchor shapes of the RPN: sides are ``stride * scale``, deformed by each ratio h / w."""

    stride: int = 8
    ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0)
    scales: tuple[float, ...] = (8.0,)

    def __post_init__(self) -> None:
        check_bounds(self, stride=(1, 256), ratios=(0.001, 1000), scales=(0.001, 1000))
        if not 1 <= len(self.ratios) * len(self.scales) <= _MAX_ANCHORS:
            raise ValueError(f"ratios times scales must be 1 to {_MAX_ANCHORS} anchors")


@dataclass(frozen=True)
class ModelConfig:
    """The network: what is built. ``..._args`` go to the constructors.

    ``early_fusion`` makes one picture of both crops before the backbone, which then has the branch
    ``rgb`` alone: the name of shipped image-fusion weights (``lrrnet``), or a file.

    ``pixels`` is what the backbone expects of an image (see ``models/normalization.py``); the
    channels of neck and head are one number, or one per level. With ``target_encoding`` the head,
    an ``anchor_free`` one, is told the target's box in the template crop.
    """

    early_fusion: str | None = None
    backbone: str = "resnet50"
    backbone_args: dict[str, Any] = field(default_factory=dict)
    pixels: Literal["bgr255", "imagenet", "signed", "unit"] = "bgr255"
    neck_channels: int | tuple[int, ...] = 256
    template_cells: int = 7
    fusion: str = "llrr_light"
    fusion_args: dict[str, Any] = field(default_factory=dict)
    fuse_at: Literal["neck", "backbone"] = "neck"
    branches: tuple[str, ...] = ("rgb", "tir", "fused")
    head: Literal["rpn", "anchor_free", "matching"] = "rpn"
    head_channels: int | tuple[int, ...] = 256
    head_args: dict[str, Any] = field(default_factory=dict)
    target_encoding: bool = False
    anchors: AnchorConfig = AnchorConfig()

    def __post_init__(self) -> None:
        channels = (1, MAX_CHANNELS)
        check_bounds(self, neck_channels=channels, head_channels=channels, template_cells=(1, 64))
        check_arguments("backbone_args", self.backbone_args)
        check_arguments("fusion_args", self.fusion_args)
        check_arguments("head_args", self.head_args)

    @property
    def is_learned(self) -> bool:
        """Whether the network needs trained weights; the matching head has none."""
        return self.head != "matching"

    @property
    def has_graphs(self) -> bool:
        """Whether other engines than torch can run the network."""
        return self.is_learned and self.early_fusion is None


@dataclass(frozen=True)
class DecisionConfig:
    """Constants of the decision rules ``adaptive`` and ``agreement``, see ``tracking/decision.py``.

    Args:
        memory: share of the past in a branch's confidence, in [0, 1); ``None``: the rule's default.
        confidence_power: a branch weighs by its confidence to this power.
        reliability_power: and by its reliability to this one.
        agreement: overlap of two branches' boxes above which they agree, in [0, 1].
        peak_radius: cells around the peak of a response that belong to it.
        second_peak_weight: how much of the second peak counts against a branch, in [0, 1].
    """

    memory: float | None = None
    confidence_power: float = 2.0
    reliability_power: float = 4.0
    agreement: float = 0.5
    peak_radius: int = 3
    second_peak_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.memory is not None and not 0 <= self.memory < 1:
            raise ValueError(f"memory is {self.memory}; expected at least 0 and less than 1")
        for name in ("agreement", "second_peak_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 1")
        for name in ("confidence_power", "reliability_power", "peak_radius"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")
        check_bounds(
            self, confidence_power=(0, 100), reliability_power=(0, 100), peak_radius=(0, 1000)
        )


@dataclass(frozen=True)
class TrackingConfig:
    """The tracking loop.

    Args:
        template_size, search_size: sides of the two crops in pixels.
        wide_search_size: side of a second, wider search crop on the same scale, for frames whose
            score in the first is below ``wide_search_below``; its box is accepted from the score
            ``wide_search_score`` on. Finds targets that jump. 0: no second search.
        context: the template shows a square of area (w + p)(h + p), p = context * (w + h).
        penalty_k, window_influence, size_lr: SiamRPN's penalty on changes of size and ratio, share
            of the cosine window in the score, and rate at which the size follows; DFAT's values.
        voting_overlap: boxes that overlap the best one by more vote on it, in [0, 1]; 0: none do.
        decision: how the branches are joined, see ``tracking/decision.py``.
        decision_constants: the constants of that rule.
        calibrate_branches: on the first frame, and when a modality comes late, every branch has to
            find the target in displaced crops, and it is weighed by how well it did. Costs
            the time of five frames; ``fixed`` has no use for it.
        thermal_mean_shift: lift the thermal crop to the mean brightness of the visible one (DFAT).
        template_update_every: frames between template updates, 0 for none; DFAT's is 15.
        template_update_rate: share of the present appearance in an updated template, in [0, 1].
        template_update_score: no update below this score, in [0, 1].
        template_update_from: what the present appearance is blended with: the ``first`` template,
            so that errors do not build up, or the ``last`` one, a running mean (DFAT's code).
        threads: CPU threads for the network; 0: as many as torch is set to. A small network
            needs 1: more make it little faster alone and many times slower beside other programs.
        smallest_side: least width and height of a box in image pixels.
        score_scale, score_bias: logistic recalibration of the score that is reported, see
            ``tracking/recalibration.py``; no box depends on it.
        pysot_exact: pysot's rounding of crop and box, half-pixel drift included, for comparisons.
    """

    template_size: int = 127
    search_size: int = 255
    wide_search_size: int = 0
    wide_search_below: float = 0.5
    wide_search_score: float = 0.8
    context: float = 0.5
    penalty_k: float = 0.10
    window_influence: float = 0.41
    voting_overlap: float = 0.0
    size_lr: float = 0.32
    decision: Literal["fixed", "dfat", "adaptive", "agreement"] = "adaptive"
    decision_constants: DecisionConfig = DecisionConfig()
    calibrate_branches: bool = False
    thermal_mean_shift: bool = False
    template_update_every: int = 0
    template_update_rate: float = 0.1
    template_update_score: float = 0.8
    template_update_from: Literal["first", "last"] = "first"
    threads: int = 0
    smallest_side: float = 2.0
    score_scale: float = 1.0
    score_bias: float = 0.0
    pysot_exact: bool = False

    def __post_init__(self) -> None:
        if not 16 <= self.template_size < self.search_size:
            raise ValueError(
                f"template_size {self.template_size} and search_size {self.search_size} must be "
                "at least 16, the search larger than the template"
            )
        if self.wide_search_size and self.wide_search_size <= self.search_size:
            raise ValueError(
                f"wide_search_size is {self.wide_search_size}; expected more than search_size "
                f"{self.search_size}, or 0 for no second search"
            )
        shares = (
            "window_influence",
            "voting_overlap",
            "template_update_rate",
            "template_update_score",
        )
        for name in (*shares, "wide_search_below", "wide_search_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 1")
        if not 0 < self.score_scale < math.inf or not math.isfinite(self.score_bias):
            raise ValueError(
                f"score_scale {self.score_scale} and score_bias {self.score_bias} must be finite, "
                "the scale positive"
            )
        counts = ("template_update_every", "threads")
        for name in ("context", "penalty_k", "size_lr", "smallest_side", *counts):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")
        check_bounds(
            self,
            search_size=(16, MAX_SIDE),
            wide_search_size=(0, MAX_SIDE),
            threads=(0, MAX_THREADS),
            template_update_every=(0, MAX_COUNT),
            context=(0, 100),
            penalty_k=(0, 100),
            size_lr=(0, 1),
            smallest_side=(0, MAX_SIDE),
        )


@dataclass(frozen=True)
class Config:
    """One experiment: a name, a network, a tracking loop, and its training."""

    name: str
    model: ModelConfig = field(default_factory=ModelConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    weights: str | None = None
    note: str = ""
    task: Literal["tracking"] = "tracking"


def load_config(name: str | Path) -> Config:
    """Read a shipped experiment by name, or any experiment YAML by path.

    Raises ``FileNotFoundError`` for an unknown name or path and ``ValueError``, naming the file
    and the key, for anything in it that is not a setting.
    """
    path = find_experiment(name, "tracking")
    values = read_yaml(path)
    if values.get("task") == "image_fusion":
        trackers = ", ".join(experiment_names("tracking"))
        raise ValueError(
            f"{path}: an image-fusion experiment, not a tracker; trackers are {trackers}"
        )
    return _with_user_modules(from_mapping(Config, {"name": path.stem, **values}, str(path)), path)


def load_experiment(name: str | Path, settings: Iterable[str] = ()) -> Config:
    """Read an experiment and apply ``key.key=value`` settings, whose values are YAML.

    Raises ``ValueError`` for a setting of another form, and for a key or value that no experiment
    has, naming it.
    """
    path = find_experiment(name, "tracking")
    return _with_user_modules(from_mapping(Config, read_values(path, settings), str(path)), path)


def module_folders(path: Path) -> list[Path]:
    """Where the modules that an experiment's YAML names are looked for, beside Python's path."""
    return [path.parent, Path()]


def _with_user_modules(config: Config, path: Path) -> Config:
    """The configuration, once what it names as ``package.module:Name`` can be imported."""
    for name in (config.model.fusion, config.training.teacher.path):
        if name is not None and ":" in name:
            find_user_module(name, module_folders(path))
    return config
