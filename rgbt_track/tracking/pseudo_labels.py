"""Tracks of unlabelled video, kept where tracking forward and backward gives the same boxes.

Forward-backward consistency (Kalal et al., *Forward-Backward Error*, ICPR 2010): a tracker follows
a start through some frames, a second one goes back from its last box. Who returns to the start has
hardly left the target in between. The video is read in windows of so many frames; a target that is
still followed at the end of one is carried into the next, and new starts are proposed beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Sequence as Series
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes, iou_xywh
from rgbt_track.data.sequence import Frame, Sequence
from rgbt_track.io.box_files import parse_row
from rgbt_track.io.files import read_lines
from rgbt_track.io.frames import prepare_frames
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.resources import check_choice
from rgbt_track.tracking.proposals import propose_boxes
from rgbt_track.tracking.tracker import Tracker

_MOTION_GAP = 5  # frames between those that are compared for proposals
_SETTLING = 5  # frames in which a rough proposal may find its box
_SAME_TARGET = 0.3  # overlap of a proposal with a target that is followed already


@dataclass(frozen=True)
class PseudoLabelSettings:
    """What is tracked and what is kept.

    Args:
        window: frames that are tracked there and back, and held in memory, at a time.
        proposals: new starts per window, where none are given.
        min_overlap: of the forward with the backward box of a frame that is kept, in [0, 1].
        min_score: of the tracker in it, both ways, in [0, 1].
        min_length: frames of a track that is kept.
    """

    window: int = 60
    proposals: int = 3
    min_overlap: float = 0.6
    min_score: float = 0.3
    min_length: int = 20

    def __post_init__(self) -> None:
        if not 2 * _MOTION_GAP <= self.min_length <= self.window:
            raise ValueError(
                f"min_length {self.min_length} must be at least {2 * _MOTION_GAP} and at most "
                f"window {self.window}"
            )
        for name in ("min_overlap", "min_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 1")


@dataclass(frozen=True)
class Start:
    """A box (4,) x, y, w, h to track from, in frame ``frame`` (from 0) of a sequence."""

    frame: int
    box: Boxes


@dataclass(eq=False)
class PseudoTrack:
    """Consecutive frames of one target.

    Args:
        first: its first frame.
        boxes: x, y, w, h of each frame, means of the forward and the backward box.
        overlaps: of these two.
        scores: the lower one of the tracker's two.
    """

    first: int
    boxes: list[Boxes] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Stretch:
    """Frames ``first`` to ``first + len(boxes)`` of a window on which both ways agree."""

    first: int
    boxes: Boxes
    overlaps: NDArray[np.floating]
    scores: NDArray[np.floating]
    last_box: Boxes


def read_starts(path: Path, names: Collection[str]) -> dict[str, list[Start]]:
    """Starts from rows ``sequence,frame,x,y,w,h``: sequence -> its starts, in order.

    Raises ``ValueError`` by row for an unknown sequence and for what is no frame and box.
    """
    starts: dict[str, list[Start]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{path}: row {number}"
        name, _, rest = line.partition(",")
        check_choice(f"{where}: no sequence", name, names)
        values = parse_row(rest, where)
        if len(values) != 5 or values[0] < 0 or values[0] != int(values[0]):
            raise ValueError(f"{where}: expected sequence,frame,x,y,w,h")
        starts.setdefault(name, []).append(Start(int(values[0]), np.array(values[1:])))
    return starts


def label_sequence(
    tracker: Tracker,
    sequence: Sequence,
    settings: PseudoLabelSettings,
    starts: Series[Start] | None = None,
    on_progress: OnProgress = ignore_progress,
) -> list[PseudoTrack]:
    """The tracks of a sequence, whose labels are not looked at, in order of their first frame.

    ``starts`` are tracked from; without them, what moves is. ``on_progress`` counts frames. Raises
    ``ValueError`` for a start outside of the sequence or of its frame.
    """
    for start in starts or ():
        if not 0 <= start.frame < len(sequence):
            raise ValueError(
                f"{sequence.name}: start in frame {start.frame}; it has {len(sequence)} frames"
            )
    tracks: list[PseudoTrack] = []
    followed: list[tuple[PseudoTrack, Boxes]] = []
    last = len(sequence) - 1
    for begin in range(0, last, settings.window):
        end = min(begin + settings.window, last)
        frames = [sequence.frame(number) for number in range(begin, end + 1)]
        # Targets that are followed already, from where the last window left them.
        still_followed = []
        for track, box in followed:
            stretch = consistent_stretch(tracker, frames, box, settings, settling=0)
            if stretch is not None:
                _extend(track, stretch, skip=1)
                if len(stretch.boxes) == len(frames):
                    still_followed.append((track, stretch.last_box))
        # New targets, unless they are one of those.
        for start in _new_starts(frames, begin, end, starts, settings):
            if any(_at(track, start, begin) > _SAME_TARGET for track, _ in followed):
                continue
            offset = start.frame - begin
            settling = _SETTLING if starts is None else 0
            stretch = consistent_stretch(tracker, frames[offset:], start.box, settings, settling)
            if stretch is None:
                continue
            track = PseudoTrack(start.frame + stretch.first)
            _extend(track, stretch)
            tracks.append(track)
            if stretch.first + len(stretch.boxes) == len(frames) - offset:
                still_followed.append((track, stretch.last_box))
        followed = _without_doubles(still_followed)
        on_progress(end + 1, len(sequence))
    kept = (track for track in tracks if len(track) >= settings.min_length)
    return sorted(kept, key=lambda track: track.first)


def consistent_stretch(
    tracker: Tracker,
    frames: Series[Frame],
    box: Boxes,
    settings: PseudoLabelSettings,
    settling: int,
) -> Stretch | None:
    """The longest stretch from a start on which tracking there and back agrees; ``None`` for none.

    It begins at most ``settling`` frames after the start. Where the way back from the last frame
    does not lead to the start, that from the middle is tried, and so on.
    """
    forward, forward_scores = _track(tracker, frames, box)
    length = len(frames)
    while length > 1:
        backward, backward_scores = _track(tracker, frames[length - 1 :: -1], forward[length - 1])
        overlaps = iou_xywh(forward[:length], backward[::-1])
        scores = np.minimum(forward_scores[:length], backward_scores[::-1])
        agree = (overlaps >= settings.min_overlap) & (scores >= settings.min_score)
        if agree[: settling + 1].any():
            first = int(np.argmax(agree))
            count = int(np.argmin(np.append(agree[first:], False)))
            rows = slice(first, first + count)
            boxes = (forward[:length] + backward[::-1])[rows] / 2
            last_box = forward[first + count - 1]
            return Stretch(first, boxes, overlaps[rows], scores[rows], last_box)
        length //= 2
    return None


def _track(
    tracker: Tracker, frames: Series[Frame], box: Boxes
) -> tuple[Boxes, NDArray[np.floating]]:
    """Boxes (n, 4) and scores (n,) of a run; the first frame has the start and the score 1."""
    state = tracker.init(*frames[0], box)
    boxes, scores = [state.box], [1.0]
    for frame in frames[1:]:
        state = tracker.update(*frame, state)
        boxes.append(state.box)
        scores.append(state.score)
    return np.array(boxes, float), np.array(scores)


def _new_starts(
    frames: Series[Frame],
    begin: int,
    end: int,
    starts: Series[Start] | None,
    settings: PseudoLabelSettings,
) -> list[Start]:
    if starts is not None:
        return [start for start in starts if begin <= start.frame < end]
    if len(frames) <= 2 * _MOTION_GAP:
        return []
    three = [prepare_frames(*frames[number * _MOTION_GAP]) for number in range(3)]
    boxes = propose_boxes(three[0], three[1], three[2], settings.proposals)
    return [Start(begin + _MOTION_GAP, box) for box in boxes]


def _at(track: PseudoTrack, start: Start, begin: int) -> float:
    """Overlap of a start with the box that a track has in the start's frame; 0 for none."""
    row = start.frame - track.first
    if not 0 <= row < len(track):
        return 0.0
    return float(iou_xywh(track.boxes[row], start.box))


def _extend(track: PseudoTrack, stretch: Stretch, skip: int = 0) -> None:
    track.boxes += list(stretch.boxes[skip:])
    track.overlaps += stretch.overlaps[skip:].tolist()
    track.scores += stretch.scores[skip:].tolist()


def _without_doubles(
    followed: Iterable[tuple[PseudoTrack, Boxes]],
) -> list[tuple[PseudoTrack, Boxes]]:
    """Of targets that have come to one place, the one that was followed first."""
    kept: list[tuple[PseudoTrack, Boxes]] = []
    for track, box in followed:
        if all(float(iou_xywh(box, other)) <= _SAME_TARGET for _, other in kept):
            kept.append((track, box))
    return kept
