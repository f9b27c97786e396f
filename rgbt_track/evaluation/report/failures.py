"""Failure analysis: the worst sequences of a tracker and their worst frames, as images.

Every frame is shown in both modalities, cut around ground truth (green) and prediction (red) so
that small targets can be seen, with its row in the result file and the overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import iou_xywh
from rgbt_track.data.sequence import Sequence
from rgbt_track.evaluation.frame_errors import result_xywh
from rgbt_track.evaluation.ground_truth import EvaluationSet, shift_origin
from rgbt_track.evaluation.metrics import average_overlap
from rgbt_track.evaluation.result_files import read_boxes, result_paths
from rgbt_track.io.frames import prepare_frames

Image = NDArray[np.uint8]
_TILE = 200
_BAR = 22
_MARGIN = 1.6
_SMALLEST_VIEW = 96
_TRUTH, _PREDICTION, _TEXT = (64, 255, 96), (255, 64, 64), (255, 255, 255)
_LOST_OVERLAP = 0.1


@dataclass(frozen=True)
class Failure:
    """One badly tracked sequence: its boxes (N, 4) and overlaps (N,), both from pixel 0."""

    sequence: Sequence
    boxes: NDArray[np.floating]
    overlaps: NDArray[np.floating]
    average: float

    @property
    def caption(self) -> str:
        lost = np.flatnonzero(self.overlaps <= _LOST_OVERLAP)
        begin = f"first lost in row {lost[0] + 1}" if len(lost) else "never lost"
        return f"{self.sequence.name}: AO {self.average:.3f}, {begin} of {len(self.boxes)}"


def worst_sequences(data: EvaluationSet, folder: Path, count: int = 5) -> list[Failure]:
    """The ``count`` sequences with the lowest AO among those with a result, worst first.

    Overlaps are NaN in the first frame and in frames without a target. Raises ``ValueError`` by
    file for results that cannot be read or have another length than the sequence.
    """
    failures = []
    for name, path in result_paths(folder, data.sequences).items():
        sequence = data.sequences[name]
        boxes = shift_origin(result_xywh(data.rules, read_boxes(path)), -data.first_pixel)
        if len(boxes) < len(sequence):
            raise ValueError(f"{path}: {len(boxes)} rows for {len(sequence)} frames")
        boxes = boxes[: len(sequence)]
        overlaps = np.nan_to_num(iou_xywh(boxes, sequence.boxes))
        overlaps[~sequence.labelled] = np.nan
        overlaps[0] = np.nan
        if np.isfinite(overlaps).any():
            average = average_overlap(boxes[1:], sequence.boxes[1:])
            failures.append(Failure(sequence, boxes, overlaps, average))
    return sorted(failures, key=lambda failure: failure.average)[:count]


def worst_frames(overlaps: NDArray[np.floating], count: int = 6) -> list[int]:
    """Frames of low overlap, in order of time: the first that is lost, then the lowest others.

    They keep a distance of ``N / (2 count)`` frames, so that one failure does not fill the row.
    """
    gap = max(len(overlaps) // (2 * count), 1)
    lost = np.flatnonzero(overlaps <= _LOST_OVERLAP)
    order = [*lost[:1], *np.argsort(overlaps, kind="stable")]
    frames: list[int] = []
    for frame in order:
        if np.isfinite(overlaps[frame]) and all(abs(frame - other) >= gap for other in frames):
            frames.append(int(frame))
        if len(frames) == count:
            break
    return sorted(frames)


def draw_failure(failure: Failure, count: int = 6) -> Image:
    """One row of worst frames, (H, W, 3) RGB: the visible tiles above the thermal ones."""
    tiles = [_draw_frame(failure, index) for index in worst_frames(failure.overlaps, count)]
    return np.hstack(tiles + [np.zeros_like(tiles[0])] * (count - len(tiles)))


def failure_contact_sheet(failures: list[Failure], count: int = 6) -> Image:
    """All failures below one another, with captions; ``ValueError`` where there are none."""
    if not failures:
        raise ValueError("no result with a ground truth to compare: there is nothing to show")
    bars = [_draw_caption(failure.caption, count * _TILE) for failure in failures]
    rows = [draw_failure(failure, count) for failure in failures]
    return np.vstack([part for pair in zip(bars, rows, strict=True) for part in pair])


def failure_images(failures: list[Failure], count: int = 6) -> Mapping[str, bytes]:
    """Caption -> JPEG of each failure, for an HTML page."""
    images = {}
    for failure in failures:
        image = cv2.cvtColor(draw_failure(failure, count), cv2.COLOR_RGB2BGR)
        images[failure.caption] = cv2.imencode(".jpg", image)[1].tobytes()
    return images


def _draw_frame(failure: Failure, index: int) -> Image:
    truth, box = failure.sequence.boxes[index], failure.boxes[index]
    frames = prepare_frames(*failure.sequence.frame(index))
    view = _square_around(truth, box)
    tiles = [_draw_caption(f"row {index + 1}  IoU {failure.overlaps[index]:.2f}", _TILE)]
    for name in ("rgb", "tir"):
        if name in frames:
            tiles.append(_draw_tile(frames[name], view, truth, box))
        else:
            tiles.append(np.zeros((_TILE, _TILE, 3), np.uint8))
    return np.vstack(tiles)


def _square_around(truth: NDArray[np.floating], box: NDArray[np.floating]) -> NDArray[np.floating]:
    """The square x, y, side around both boxes, or the ground truth where there is no prediction."""
    boxes = np.array([truth, box] if np.isfinite(box).all() else [truth])
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    side = max(float((high - low).max()) * _MARGIN, _SMALLEST_VIEW)
    return np.append((low + high) / 2 - side / 2, side)


def _draw_tile(
    image: Image,
    view: NDArray[np.floating],
    truth: NDArray[np.floating],
    box: NDArray[np.floating],
) -> Image:
    scale = _TILE / view[2]
    move = np.array([[scale, 0, -view[0] * scale], [0, scale, -view[1] * scale]])
    tile = cv2.warpAffine(image, move, (_TILE, _TILE), flags=cv2.INTER_AREA)
    for xywh, color in ((truth, _TRUTH), (box, _PREDICTION)):
        if np.isfinite(xywh).all():
            x, y, w, h = np.array([*(xywh[:2] - view[:2]), *xywh[2:]]) * scale
            corners = (round(x), round(y)), (round(x + w), round(y + h))
            cv2.rectangle(tile, *corners, color, 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def _draw_caption(text: str, width: int) -> Image:
    bar = np.full((_BAR, width, 3), 32, np.uint8)
    position, font = (6, _BAR - 7), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(bar, text, position, font, 0.42, _TEXT, 1, cv2.LINE_AA)
    return bar
