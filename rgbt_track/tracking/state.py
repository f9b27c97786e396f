"""The tracker's state, a value: what it knows after a frame, and all it needs for the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rgbt_track.models.interface import Kernels, Levels


@dataclass(frozen=True)
class TrackState:
    """What the tracker knows after a frame.

    Attributes:
        box: (4,) x, y, w, h in pixels of the first frame, inside it, always finite.
        score: probability of the chosen anchor, in [0, 1]; 1 after ``init``.
        modalities: the modalities that this frame really had ("rgb", "tir").
        trust: per branch, how far the decision trusted it, in [0, 1].
        proof: per branch, its overlap with the target in the test of the first frame, or of the
            frame in which a late modality came, in [0, 1]; empty without ``test_branches``.
        frame: number of frames since ``init``.
        frame_size: width and height of the first frame (the visible one, if it had one), in whose
            pixels everything here is; later frames of another resolution are brought to it.
        center, size: the target in image pixels, not clipped at the frame's border as the box is;
            with ``pysot_exact`` the centre is pysot's, half a pixel up and left.
        fill: per modality, the first frame's channel means, which fill crops outside the frame.
        first_levels: per branch, the first template's features.
        kernels: the heads' side of the present template, first or updated.
    """

    box: NDArray[np.floating]
    score: float
    modalities: tuple[str, ...]
    trust: dict[str, float]
    proof: dict[str, float]
    frame: int
    frame_size: tuple[int, int]
    center: tuple[float, float]
    size: tuple[float, float]
    fill: dict[str, NDArray[np.floating]]
    first_levels: dict[str, Levels] = field(repr=False)
    kernels: Kernels = field(repr=False)
