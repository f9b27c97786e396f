"""The tracker's state, a value: what it knows after a frame, and all it needs for the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rgbt_track.models.engines.interface import Template


@dataclass(frozen=True)
class TrackState:
    """What the tracker knows after a frame.

    Args:
        box: (4,) x, y, w, h in pixels of the first frame, inside it, always finite.
        score: probability of the selected anchor, in [0, 1], recalibrated where the settings say
            so; 1 after ``init``.
        modalities: the modalities that this frame really had ("rgb", "tir").
        confidence: per branch, as the decision rule rates it over the frames, in [0, 1].
        reliability: per branch, its overlap with the target in the calibration on the first frame,
            or on the frame in which a late modality came, in [0, 1]; empty without
            ``calibrate_branches``.
        frame: number of frames since ``init``.
        frame_size: width and height of the first frame (the visible one, if it had one), in whose
            pixels everything here is; later frames of another resolution are brought to it.
        center: the target's center in continuous image coordinates, of which the box is clipped.
        size: the target's width and height in image pixels.
        pad_value: per modality, the first frame's channel means, which pad crops outside the frame.
        first_template: per branch, the features of the first frame that had it.
        template: per branch, the present features, first or updated.
        tracker: ``Tracker.identity`` of the tracker that it belongs to.
    """

    box: NDArray[np.floating]
    score: float
    modalities: tuple[str, ...]
    confidence: dict[str, float]
    reliability: dict[str, float]
    frame: int
    frame_size: tuple[int, int]
    center: tuple[float, float]
    size: tuple[float, float]
    pad_value: dict[str, NDArray[np.floating]]
    first_template: Template = field(repr=False)
    template: Template = field(repr=False)
    tracker: str = field(repr=False)
