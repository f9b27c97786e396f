"""Settings of training pairs: their sources, how crops are stored, augmented and labelled.

Lengths named ``pixels`` are pixels of the network's input crops.
"""

from __future__ import annotations

from dataclasses import dataclass

from rgbt_track.config.bounds import MAX_COUNT, MAX_SIDE, check_bounds, check_shares
from rgbt_track.modalities import MODALITIES
from rgbt_track.resources import check_choice


@dataclass(frozen=True)
class SourceConfig:
    """One data set to train or validate on: packed crops (``lmdb``) or loose files (``dataset``).

    Args:
        lmdb: a file written by ``rgbt-track data lmdb``, relative to ``training.root``.
        dataset: otherwise the name, or the YAML, of a data set description ...
        folder: ... and where the set lies, relative to ``training.root``.
        split: the part of the data set, where it has splits.
        sequences: names to take (shell patterns); all without it.
        exclude: names to leave out (shell patterns).
        leave_out: leave out one sequence in N, selected by its name alone (0: none) ...
        left_out: ... or take only those: a validation set out of the training set.
        weight: share of the draws, relative to the other sources.
        frame_range: template and search frame are at most this many frames apart.
        one_video: all sequences show one scene, so none is a negative of another.
        pseudo_thermal: make a thermal channel for a visible-only set while training.
        pseudo_visible: make a visible image for a thermal-only set, by random tones likewise.
        objects: its images are filled by one object each, to paste into the scenes of the other
            sources (``training.paste_objects``, ``training.distractors``); no pair is drawn of it.
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
    pseudo_visible: bool = False
    objects: bool = False

    def __post_init__(self) -> None:
        if (self.lmdb is None) == (self.dataset is None):
            raise ValueError("a source needs either 'lmdb' or 'dataset' (with 'folder')")
        if self.weight <= 0 or self.frame_range < 0:
            raise ValueError(f"weight {self.weight} must be positive and frame_range at least 0")
        counts = ("frame_range", "leave_out", "left_out")
        check_bounds(self, **dict.fromkeys(counts, (0, MAX_COUNT)))

    @property
    def label(self) -> str:
        """Name of this source in errors and logs."""
        return self.lmdb or f"{self.dataset} in {self.folder}"


@dataclass(frozen=True)
class StoreConfig:
    """Geometry of stored crops.

    At 511 and 4 a context side is 127.75 pixels: the template's own resolution. The search crop,
    enlarged and shifted by augmentation, should still fit in.

    Args:
        size: side of a stored crop in pixels.
        factor: side of a stored crop in context sides (see ``crops.context_side``).
        context: context around the target, as a share of its width plus height.
        quality: JPEG quality, 1 to 100.
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
        check_bounds(self, size=(16, MAX_SIDE), factor=(1, 100), context=(0, 100))


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of a pair.

    DFAT's numbers: template shift 4, scale 0.05; search shift 96, scale 0.18, blur 0.18.

    Args:
        template_shift: largest shift of the template crop, in pixels of the crop.
        template_scale: largest change of its scale, as a share of its side.
        search_shift: the same of the search crop.
        search_scale: the same of the search crop.
        search_aspect: largest change of the width for the height of what it shows, as a share: so
            that a box's shape is read from the search crop, not taken from the template.
        blur: probability of motion blur or defocus.
        flip: probability of mirroring left and right.
        gray: probability of removing the color.
        color: strength of changes of contrast, brightness, gamma and color cast.
        noise: largest standard deviation of added noise, in gray levels.
        registration: largest misregistration of the two modalities, in pixels of the crop.
        black: probability that one modality of the search crop is black.
        frozen: probability that one modality of the search crop shows the template's frame.
        noisy: probability that one modality of the search crop is lost in noise.
        obscured: probability that one modality is obscured in both crops, as by smoke.
        occluded: probability that a pole or a block covers a part of the target (``occlusion``).
    """

    template_shift: float = 4.0
    template_scale: float = 0.05
    search_shift: float = 96.0
    search_scale: float = 0.18
    search_aspect: float = 0.0
    blur: float = 0.18
    flip: float = 0.5
    gray: float = 0.1
    color: float = 0.25
    noise: float = 4.0
    registration: float = 2.0
    black: float = 0.04
    frozen: float = 0.04
    noisy: float = 0.04
    obscured: float = 0.0
    occluded: float = 0.0

    def __post_init__(self) -> None:
        dropout = ("black", "frozen", "noisy", "obscured")
        check_shares(self, ("blur", "flip", "gray", "occluded", *dropout))
        pixels = ("template_shift", "search_shift", "registration", "noise")
        check_bounds(self, **dict.fromkeys(pixels, (0, MAX_SIDE)))
        shares = ("template_scale", "search_scale", "search_aspect", "color")
        check_bounds(self, **dict.fromkeys(shares, (0, 10)))


@dataclass(frozen=True)
class TargetConfig:
    """How anchors are labelled: pysot's overlap thresholds and numbers of anchors.

    Args:
        positive_iou: anchors that overlap the target by more are positive.
        negative_iou: anchors that overlap it by less are negative.
        positives: at most so many positive anchors are used.
        total: so many anchors are used together.
        negative_pair_anchors: anchors used of a pair without the target.
        best_is_positive: where no anchor overlaps enough, the best one is positive, as in Faster
            R-CNN.
    """

    positive_iou: float = 0.6
    negative_iou: float = 0.3
    positives: int = 16
    total: int = 64
    negative_pair_anchors: int = 16
    best_is_positive: bool = False

    def __post_init__(self) -> None:
        check_shares(self, ("positive_iou", "negative_iou"))
        counts = ("positives", "total", "negative_pair_anchors")
        check_bounds(self, **dict.fromkeys(counts, (0, MAX_COUNT)))


@dataclass(frozen=True)
class TeacherConfig:
    """A teacher for distillation, which ``loss.distill_response`` and ``distill_box`` weigh.

    Args:
        path: a folder of ONNX files, relative to ``training.root``, or ``package.module:factory``;
            see ``models/teacher.py``.
        rgb, tir, fused: the crops, "rgb" or "tir", whose outputs may teach each branch; of several
            the best by the label. With ``rgb`` alone, the thermal branch learns from the visible
            crop (cross-modal distillation).
        min_overlap: an output is used if its best box overlaps the labelled one by so much, in
            [0, 1].
    """

    path: str | None = None
    rgb: tuple[str, ...] = ("rgb",)
    tir: tuple[str, ...] = ("tir", "rgb")
    fused: tuple[str, ...] = ("rgb", "tir")
    min_overlap: float = 0.5

    def __post_init__(self) -> None:
        for name in (*self.rgb, *self.tir, *self.fused):
            check_choice("crop of the teacher", name, MODALITIES)
        if not 0 <= self.min_overlap <= 1:
            raise ValueError(f"min_overlap is {self.min_overlap}; expected 0 to 1")

    def crops(self, branch: str) -> tuple[str, ...]:
        """The crops whose outputs may teach a branch."""
        names: tuple[str, ...] = getattr(self, branch)
        return names
