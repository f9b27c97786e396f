"""Anchors of the multi-start protocol: the rule of the VOT-RGBT2020 challenge.

Kristan et al., *The Eighth Visual Object Tracking Challenge* (VOT2020): a tracker is started at
anchors about 50 frames apart and runs from each towards the farther end of the sequence. The
toolkit reads the anchors from ``anchor.value`` and never makes them; the exact rule below was
recovered from the challenge's published result files (it gives 59 of its 60 sequences).

Two cases are ours: frame 0 keeps its anchor in a sequence too short for the 25 frames, and an
anchor on a frame without a box moves along its run to the next frame that has one (the challenge
moved such anchors by hand).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPACING = 50
SHORTEST_RUN = 25

FORWARD, BACKWARD = 1, -1


def challenge_anchors(has_box: ArrayLike) -> NDArray[np.int8]:
    """Anchor per frame: 1 a run forward starts here, -1 a run backward, 0 none.

    A regular anchor stands every 50 frames and runs towards the farther end, unless fewer than 25
    frames follow it; one more stands on the last frame and runs backward.

    Args:
        has_box: (N,) bool, whether a run could start at the frame: it has a box with an area.

    Returns:
        (N,) int8. A run has at least one frame after its anchor.

    Raises:
        ValueError: no two frames have a box, so that nothing could be measured.
    """
    usable = np.asarray(has_box, bool)
    last = len(usable) - 1
    if usable.sum() < 2:
        raise ValueError(f"{int(usable.sum())} of {len(usable)} frames have a box; at least 2 must")
    anchors = np.zeros(len(usable), np.int8)
    for regular in range(0, len(usable), SPACING):
        if regular == 0 or last - regular >= SHORTEST_RUN:
            _place(anchors, regular, FORWARD if last - regular >= regular else BACKWARD, usable)
    _place(anchors, last, BACKWARD, usable)
    return anchors


def run_frames(anchors: ArrayLike) -> dict[int, int]:
    """Anchor frame -> how many frames its run has, the anchor included; forward runs first."""
    anchors = np.asarray(anchors)
    forward, backward = np.flatnonzero(anchors > 0), np.flatnonzero(anchors < 0)
    runs = {int(frame): len(anchors) - int(frame) for frame in forward}
    return runs | {int(frame): int(frame) + 1 for frame in backward}


def _place(
    anchors: NDArray[np.int8], frame: int, direction: int, usable: NDArray[np.bool_]
) -> None:
    # A run of the anchor alone would measure nothing, so the search ends one frame before the end.
    end = len(anchors) - 1 if direction == FORWARD else 0
    for position in range(frame, end, direction):
        if usable[position]:
            if anchors[position] == 0:
                anchors[position] = direction
            return
