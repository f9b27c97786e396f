"""Settings of training pairs: where they come from, how crops are stored, changed and labelled.

Lengths named ``pixels`` are pixels of the network's input crops.
"""

from __future__ import annotations

from dataclasses import dataclass


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
