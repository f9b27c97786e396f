"""Validation is tracking: the network behind the real tracker, on held-out sequences."""

from __future__ import annotations

import numpy as np
import torch

from rgbt_track.boxes import iou_xywh
from rgbt_track.config.tracker import Config
from rgbt_track.data.sequence import Sequence
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.tracking.tracker import Tracker


def track_sequence(
    network: RGBTNetwork,
    config: Config,
    sequence: Sequence,
    device: torch.device | str,
    frames: int = 0,
) -> float:
    """Mean overlap (AO) of the tracker with the labelled frames after the first one.

    Args:
        network: the network as it is trained; it is left in the mode it was in.
        config: its settings.
        sequence: frames and boxes.
        device: where the network runs.
        frames: stop after as many frames; 0: at the last labelled one.

    Raises ``ValueError`` for a sequence with fewer than two labelled frames.
    """
    indices = np.flatnonzero(sequence.labelled)
    if len(indices) < 2:
        raise ValueError(f"{sequence.name}: {len(indices)} labelled frames; validation needs two")
    first, last = int(indices[0]), int(indices[-1])
    last = min(last, first + frames) if frames else last
    was_training = network.training
    try:
        tracker = Tracker(network, config, device)
        state = tracker.init(*sequence.frame(first), sequence.boxes[first])
        overlaps = []
        for index in range(first + 1, last + 1):
            state = tracker.update(*sequence.frame(index), state)
            if sequence.labelled[index]:
                overlaps.append(float(iou_xywh(state.box, sequence.boxes[index])))
    finally:
        network.train(was_training)
    return float(np.mean(overlaps))
