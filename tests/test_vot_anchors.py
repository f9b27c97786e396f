"""The challenge's anchor rule against hand-written cases and a loop-written twin."""

from __future__ import annotations

import numpy as np
import pytest

from rgbt_track.vot.run_anchors import challenge_anchors, run_frames


def anchors_of(length: int) -> dict[int, int]:
    anchors = challenge_anchors(np.ones(length, bool))
    return {int(frame): int(anchors[frame]) for frame in np.flatnonzero(anchors)}


def twin(length: int) -> dict[int, int]:
    """The rule as VOT-RGBT2020's result files show it, frame by frame."""
    found = {}
    for frame in range(length):
        left = length - 1 - frame
        if frame == length - 1:
            found[frame] = -1
        elif frame % 50 == 0 and (left >= 25 or frame == 0):
            found[frame] = 1 if left >= frame else -1
    return found


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (2, {0: 1, 1: -1}),
        (60, {0: 1, 59: -1}),
        (75, {0: 1, 74: -1}),
        (76, {0: 1, 50: -1, 75: -1}),
        (101, {0: 1, 50: 1, 100: -1}),
        (120, {0: 1, 50: 1, 119: -1}),
        (126, {0: 1, 50: 1, 100: -1, 125: -1}),
    ],
)
def test_hand_cases(length, expected):
    assert anchors_of(length) == expected


def test_every_length_matches_the_loop():
    for length in range(2, 900):
        assert anchors_of(length) == twin(length), length


def test_anchor_without_a_box_moves_along_its_run():
    usable = np.ones(126, bool)
    usable[0:3] = usable[50] = usable[100] = usable[124:126] = False
    anchors = challenge_anchors(usable)
    assert {int(f): int(anchors[f]) for f in np.flatnonzero(anchors)} == {
        3: 1,
        51: 1,
        99: -1,
        123: -1,
    }


def test_anchors_stand_only_where_a_run_can_start():
    random = np.random.default_rng(0)
    for _ in range(200):
        usable = random.random(random.integers(2, 200)) < random.random()
        if usable.sum() < 2:
            continue
        anchors = challenge_anchors(usable)
        assert anchors.any()
        assert usable[anchors != 0].all()
        assert min(run_frames(anchors).values()) >= 2


@pytest.mark.parametrize("usable", [[], [True], [False, False, True]])
def test_too_few_boxes_are_refused(usable):
    with pytest.raises(ValueError, match="at least 2 must"):
        challenge_anchors(usable)


def test_run_frames_count_the_anchor():
    assert run_frames([1, 0, 0, -1, 0]) == {0: 5, 3: 4}
