"""Seeded disturbances of a sequence: a missing modality, a shifted thermal camera, noise.

The same data set, disturbed by a known amount, measures how much a tracker gains from each
modality. Everything random is drawn from the seed, the sequence's name and the frame, so that a
frame looks the same in every run, in any order, in any process. ``docs/evaluation.md`` defines
the protocol.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.evaluation.runner import SequenceLike
from rgbt_track.resources import check_choice

Frames = tuple[Any, Any]
_SPAN_FRAMES = (5, 30)  # shortest and longest span of a missing modality, in frames

_MAX_SEVERITY = 10_000.0  # pixels, or gray levels


@dataclass(frozen=True)
class Disturbance:
    """A kind of disturbance: what its severity means, and the severities of the protocol."""

    name: str
    unit: str
    severities: tuple[float, ...]
    title: str


_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_PIXELS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
_LEVELS = (0.0, 10.0, 20.0, 40.0, 80.0)
_ALL = (
    Disturbance("no_tir", "share of frames without thermal", _SHARES, "Thermal lost"),
    Disturbance("no_rgb", "share of frames without visible", _SHARES, "Visible lost"),
    Disturbance("no_either", "share of frames with one modality", _SHARES, "Lost in turns"),
    Disturbance("offset", "registration offset [pixels]", _PIXELS, "Thermal shifted"),
    Disturbance("noise_tir", "standard deviation [grey levels]", _LEVELS, "Thermal noise"),
    Disturbance("noise_rgb", "standard deviation [grey levels]", _LEVELS, "Visible noise"),
)
DISTURBANCES = {item.name: item for item in _ALL}


@dataclass(frozen=True)
class DisturbedSequence:
    """A sequence with a disturbance applied; severity 0 leaves every frame unchanged."""

    sequence: SequenceLike
    kind: str
    severity: float
    seed: int = 0

    def __post_init__(self) -> None:
        check_severity(self.kind, self.severity)

    @property
    def name(self) -> str:
        return self.sequence.name

    @property
    def boxes(self) -> NDArray[np.floating]:
        return self.sequence.boxes

    def __len__(self) -> int:
        return len(self.sequence)

    def frame(self, index: int) -> Frames:
        """Frame ``index`` (from 0) as a tracker gets it; ``None`` for a modality that is lost."""
        rgb, tir = self.sequence.frame(index)
        return _ACTIONS[self.kind](self, index, rgb, tir) if self.severity else (rgb, tir)

    @cached_property
    def lost(self) -> NDArray[np.int8]:
        """Per frame (N,): 0 both modalities are there, 1 the visible one is lost, 2 the thermal."""
        codes = {"no_rgb": (1,), "no_tir": (2,), "no_either": (1, 2)}.get(self.kind, (0,))
        spans = missing_spans(len(self), self.severity if codes != (0,) else 0, self.random())
        return np.array(
            [codes[number % len(codes)] if number >= 0 else 0 for number in spans], np.int8
        )

    def random(self, frame: int = -1) -> np.random.Generator:
        """The generator of one frame, or of the whole sequence."""
        entropy = (
            self.seed,
            zlib.crc32(self.name.encode()),
            frame + 1,
            zlib.crc32(self.kind.encode()),
        )
        return np.random.default_rng(entropy)


def check_severity(kind: str, severity: float) -> None:
    """``ValueError`` for an unknown disturbance or a severity outside of its range."""
    check_choice("unknown disturbance", kind, DISTURBANCES)
    maximum = 1.0 if kind.startswith("no_") else _MAX_SEVERITY
    if not 0 <= severity <= maximum:
        limit = f"from 0 to {maximum:g}"
        raise ValueError(f"severity {severity:g} of {kind}: expected {limit}")


def missing_spans(length: int, share: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Which span of missing frames each frame is in, ``(length,)``; -1 in none.

    The first frame is always there. Of the others, ``round(share * (length - 1))`` are missing, in
    spans of 5 to 30 frames (uniform; the last one is what remains), with random gaps between.
    """
    missing = round(share * (length - 1))
    spans: list[int] = []
    while sum(spans) < missing:
        spans.append(
            min(int(random.integers(_SPAN_FRAMES[0], _SPAN_FRAMES[1] + 1)), missing - sum(spans))
        )
    gaps = np.sort(random.integers(0, length - missing, len(spans)))
    result = np.full(length, -1)
    shift = 1
    for number, (gap, span) in enumerate(zip(gaps, spans, strict=True)):
        result[gap + shift : gap + shift + span] = number
        shift += span
    return result


def _drop_modality(sequence: DisturbedSequence, index: int, rgb: Any, tir: Any) -> Frames:
    lost = sequence.lost[index]
    rgb, tir = (None if lost == 1 else rgb), (None if lost == 2 else tir)
    if rgb is None and tir is None:
        raise ValueError(f"{sequence.name}: has one modality only; {sequence.kind} leaves none")
    return rgb, tir


def _shift_thermal(sequence: DisturbedSequence, index: int, rgb: Any, tir: Any) -> Frames:
    """The thermal image moves in one direction per sequence; its edge repeats."""
    if tir is None:
        raise ValueError(f"{sequence.name}: has no thermal frames to shift")
    angle = sequence.random().uniform(0, 2 * np.pi)
    x, y = sequence.severity * np.cos(angle), sequence.severity * np.sin(angle)
    move = np.array([[1, 0, x], [0, 1, y]])
    size = tir.shape[1::-1]
    shifted = cv2.warpAffine(
        tir, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return rgb, shifted


def _noise_tir(sequence: DisturbedSequence, index: int, rgb: Any, tir: Any) -> Frames:
    return rgb, _add_noise(sequence, index, tir)


def _noise_rgb(sequence: DisturbedSequence, index: int, rgb: Any, tir: Any) -> Frames:
    return _add_noise(sequence, index, rgb), tir


def _add_noise(sequence: DisturbedSequence, index: int, image: Any) -> Any:
    if image is None:
        raise ValueError(f"{sequence.name}: lacks the modality that {sequence.kind} disturbs")
    noise = sequence.random(index).standard_normal(image.shape, np.float32)
    noisy = image + noise * (sequence.severity * _gray_level(image))
    return np.clip(np.rint(noisy), 0, np.iinfo(image.dtype).max).astype(image.dtype)


def _gray_level(image: Any) -> float:
    """One gray level of 8 bits in the image's own units: deeper images by their contrast."""
    if image.dtype == np.uint8:
        return 1.0
    low, high = np.percentile(image[::2, ::2], (0.5, 99.5))
    return float(high - low) / 255


_ACTIONS: dict[str, Callable[[DisturbedSequence, int, Any, Any], Frames]] = {
    "no_tir": _drop_modality,
    "no_rgb": _drop_modality,
    "no_either": _drop_modality,
    "offset": _shift_thermal,
    "noise_tir": _noise_tir,
    "noise_rgb": _noise_rgb,
}
