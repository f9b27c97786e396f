"""Ground truth for the toolkit, which needs a box in every frame.

The toolkit counts a frame without a box as overlap 0 for every tracker, but never as a failure.
That is right where the target is absent, and wrong where it is not labelled: VTUAV labels every
tenth frame. Short gaps between two labels can be interpolated linearly.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rgbt_track.data.sequence import Sequence

_MAX_UNLABELLED = 0.5


def ground_truth(sequence: Sequence, interpolate: int = 0) -> NDArray[np.float64]:
    """Boxes (N, 4) as x, y, w, h; NaN where the target is absent or unlabelled.

    Up to ``interpolate`` unlabelled frames in a row between two labels are filled linearly. Raises
    ``ValueError`` when more than half of the frames still have no label.
    """
    boxes = np.where(sequence.labelled[:, None], sequence.boxes, np.nan)
    labels = np.flatnonzero(sequence.labelled)
    for first, last in pairwise(labels):
        gap = slice(first + 1, last)
        if last - first - 1 <= interpolate and not sequence.absent[gap].any():
            share = np.arange(1, last - first)[:, None] / (last - first)
            boxes[gap] = boxes[first] * (1 - share) + boxes[last] * share
    unlabelled = np.isnan(boxes).any(1) & np.isnan(sequence.boxes).any(1) & ~sequence.absent
    if len(labels) and unlabelled.mean() > _MAX_UNLABELLED:
        step = int(np.median(np.diff(labels))) if len(labels) > 1 else len(boxes)
        raise ValueError(
            f"{unlabelled.sum()} of {len(boxes)} frames have no label, which the toolkit would "
            f"count as overlap 0; labels are {step} frames apart: fill the gaps with "
            f"--interpolate {step - 1}"
        )
    return boxes
