"""Pseudo labels: what moves is proposed, what agrees there and back is kept and written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from stub_teacher import StubTeacher

from rgbt_track.boxes import iou_xywh
from rgbt_track.data import open_dataset
from rgbt_track.data.annotations import from_xywh, to_xywh
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.open import open_unlabelled
from rgbt_track.io.images import write_image
from rgbt_track.models.engines.teacher_engine import TeacherEngine
from rgbt_track.tracking.proposals import propose_boxes
from rgbt_track.tracking.pseudo_labels import (
    PseudoLabelSettings,
    Start,
    consistent_stretch,
    label_sequence,
    read_starts,
)
from rgbt_track.tracking.tracker import Tracker

HEIGHT, WIDTH, SIDE = 96, 128, 14
SETTINGS = PseudoLabelSettings(window=15, min_length=10)


def place(number: int) -> tuple[int, int]:
    return 20 + 2 * number, 30 + number


def frame(number: int, gone_from: int = 1000) -> np.ndarray:
    """A bright square that moves over a smooth ground; it may vanish."""
    ramp = np.linspace(40, 80, WIDTH, dtype=np.uint8)
    image = np.repeat(np.broadcast_to(ramp, (HEIGHT, WIDTH))[..., None], 3, axis=2)
    if number < gone_from:
        x, y = place(number)
        image[y : y + SIDE, x : x + SIDE] = 210
    return image


def truth(number: int) -> list[float]:
    return [*place(number), SIDE, SIDE]


@pytest.fixture
def tracker() -> Tracker:
    engine = TeacherEngine(StubTeacher())
    return Tracker(engine, engine.config())


def write_video(path: Path, count: int, gone_from: int = 1000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (WIDTH, HEIGHT))
    for number in range(count):
        writer.write(frame(number, gone_from)[..., ::-1])
    writer.release()


# Proposals


@pytest.mark.parametrize("shift", [0, 3])
def test_what_moves_is_proposed_also_by_a_moving_camera(shift):
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (200, 260, 3), np.uint8), (0, 0), 3)
    views = []
    for step in range(3):
        view = ground[20 : 20 + HEIGHT, 20 + shift * step : 20 + shift * step + WIDTH].copy()
        x = 20 + 25 * step
        view[40 : 40 + SIDE, x : x + SIDE] = 250
        views.append({"tir": view})
    boxes = propose_boxes(*views, count=2)
    assert len(boxes) >= 1
    assert iou_xywh(boxes[0], [45, 40, SIDE, SIDE]) > 0.4
    assert len(propose_boxes(views[0], views[0], views[0], count=2)) == 0


# There and back


def test_a_stretch_reaches_as_far_as_both_ways_agree(tracker):
    frames = [(None, frame(number)) for number in range(16)]
    stretch = consistent_stretch(tracker, frames, np.array(truth(0), float), SETTINGS, 0)
    assert stretch.first == 0 and len(stretch.boxes) == 16
    for number, box in enumerate(stretch.boxes):
        assert iou_xywh(box, truth(number)) > 0.6
    forward = tracker.init(None, frames[0][1], truth(0))
    for _, image in frames[1:]:
        forward = tracker.update(None, image, forward)
    np.testing.assert_allclose(stretch.last_box, forward.box)


def test_where_the_target_vanishes_the_stretch_ends(tracker):
    frames = [(None, frame(number, gone_from=9)) for number in range(16)]
    stretch = consistent_stretch(tracker, frames, np.array(truth(0), float), SETTINGS, 0)
    assert 4 <= len(stretch.boxes) <= 9
    nothing = [(None, frame(number, gone_from=1)) for number in range(16)]
    lost = consistent_stretch(tracker, nothing, np.array(truth(0), float), SETTINGS, 0)
    assert lost is None or len(lost.boxes) <= 1


class Wanderer:
    """A tracker whose box goes ahead by one pixel a frame, and whose way back leaves it."""

    def __init__(self, parting: float) -> None:
        self.parting = parting

    class State:
        def __init__(self, box, time, backward):
            self.box, self.time, self.backward, self.score = box, time, backward, 0.9

    def init(self, rgb, tir, box):
        return self.State(np.array(box, float), tir, None)

    def update(self, rgb, tir, state):
        backward = tir < state.time
        step = -1.0 if backward else 1.0
        box = state.box + np.array([step, 0, 0, 0])
        if backward and tir < self.parting:
            box = box + np.array([0, 50, 0, 0])
        return self.State(box, tir, backward)


@pytest.mark.parametrize(("parting", "settling", "expected"), [(0, 0, (0, 16)), (3, 5, (3, 13))])
def test_a_rough_start_may_settle_first(parting, settling, expected):
    frames = [(None, time) for time in range(16)]
    box = np.array([0.0, 0, 20, 20])
    stretch = consistent_stretch(Wanderer(parting), frames, box, SETTINGS, settling)
    assert (stretch.first, len(stretch.boxes)) == expected
    given = consistent_stretch(Wanderer(3), frames, box, SETTINGS, 0)
    assert given is None or given.first == 0


def test_tracks_go_on_through_windows_and_are_found_once(tracker, tmp_path):
    write_video(tmp_path / "walk.avi", 40)
    (sequence,) = open_unlabelled("video_tir", tmp_path)[1]
    told = []
    (track,) = label_sequence(
        tracker, sequence, SETTINGS, on_progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (40, 40) and track.first <= 10 and track.first + len(track) == 40
    for row, box in enumerate(track.boxes):
        assert iou_xywh(box, truth(track.first + row)) > 0.6
    assert min(track.overlaps) >= SETTINGS.min_overlap and min(track.scores) >= SETTINGS.min_score
    again = label_sequence(tracker, sequence, SETTINGS)
    np.testing.assert_array_equal(again[0].boxes, track.boxes)


def test_given_starts_are_tracked_from(tracker, tmp_path):
    write_video(tmp_path / "walk.avi", 30)
    (sequence,) = open_unlabelled("video_tir", tmp_path)[1]
    (track,) = label_sequence(tracker, sequence, SETTINGS, [Start(12, np.array(truth(12), float))])
    assert track.first == 12 and len(track) == 18
    assert label_sequence(tracker, sequence, SETTINGS, []) == []
    with pytest.raises(ValueError, match="walk: start in frame 30; it has 30 frames"):
        label_sequence(tracker, sequence, SETTINGS, [Start(30, np.array(truth(3), float))])


def test_starts_are_read_by_row(tmp_path):
    path = tmp_path / "starts.txt"
    path.write_text("walk,3,1,2,3,4\nrun,0,5,6,7,8\nwalk,0,1,1,4,4\n")
    starts = read_starts(path, ["walk", "run"])
    assert [each.frame for each in starts["walk"]] == [3, 0]
    np.testing.assert_array_equal(starts["run"][0].box, [5, 6, 7, 8])
    path.write_text("walk,3,1,2,3,4\nwolk,0,5,6,7,8\n")
    with pytest.raises(ValueError, match=r"row 2: no sequence 'wolk', did you mean 'walk'"):
        read_starts(path, ["walk", "run"])
    path.write_text("walk,3,1,2,3\n")
    with pytest.raises(ValueError, match="row 1: expected sequence,frame,x,y,w,h"):
        read_starts(path, ["walk"])


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="min_length 9 must be at least 10 and at most window"):
        PseudoLabelSettings(min_length=9)
    with pytest.raises(ValueError, match="min_overlap is 2"):
        PseudoLabelSettings(min_overlap=2)


# The command


def test_the_command_makes_a_data_set_of_videos(run, tmp_path):
    write_video(tmp_path / "in" / "walk.avi", 40)
    write_video(tmp_path / "in" / "still.avi", 40, gone_from=0)
    command = f"data pseudo-label video_tir --root {tmp_path}/in {tmp_path}/out --window 15"
    teacher = "--teacher stub_teacher:StubTeacher --min-length 10"
    status, output, errors = run(*f"{command} {teacher}".split())
    assert status == 0, errors
    assert "1 tracks" in output
    (sequence,) = open_dataset("video_tir", tmp_path / "out")
    assert sequence.name == "walk__auto001" and sequence.group == "walk"
    number = sequence.tir[0].number
    assert number <= 10 and iou_xywh(sequence.boxes[0], truth(number)) > 0.6
    assert not (tmp_path / "out" / "still.avi").exists()
    summary = (tmp_path / "out" / "tracks.csv").read_text().splitlines()
    assert summary[0] == "sequence,target,first,frames,overlap,score" and len(summary) == 2
    status, _, errors = run(*f"{command} {teacher}".split())
    assert status == 1 and "auto001.txt exists; remove it" in errors


def test_the_command_makes_folders_of_frames(run, tmp_path):
    folder = tmp_path / "in" / "walk" / "ir"
    folder.mkdir(parents=True)
    for number in range(30):
        write_image(folder / f"{number:04d}.png", frame(number))
    (tmp_path / "starts.txt").write_text("walk,2," + ",".join(map(str, truth(2))) + "\n")
    command = (
        f"data pseudo-label plain_tir --root {tmp_path}/in {tmp_path}/out --window 15 "
        f"--min-length 10 --teacher stub_teacher:StubTeacher --starts {tmp_path}/starts.txt"
    )
    status, _, errors = run(*command.split())
    assert status == 0, errors
    (sequence,) = open_dataset("plain_tir", tmp_path / "out")
    assert sequence.name == "walk-auto001" and len(sequence) == 28
    assert sequence.tir[0].name == "0002.png"
    assert iou_xywh(sequence.boxes[-1], truth(29)) > 0.6


def test_nothing_to_track_with_or_nothing_found_is_one_line(run, tmp_path):
    write_video(tmp_path / "in" / "still.avi", 30, gone_from=0)
    command = f"data pseudo-label video_tir --root {tmp_path}/in {tmp_path}/out"
    assert "give either --teacher or --tracker" in run(*command.split())[2]
    status, _, errors = run(*f"{command} --teacher stub_teacher:StubTeacher".split())
    assert status == 1 and "no track of 20 frames or more in 1 videos" in errors
    with pytest.raises(ValueError, match="video without labels is of the layout"):
        open_unlabelled("pairs", tmp_path)


@pytest.mark.parametrize("box_format", ["xywh", "xyxy"])
def test_boxes_are_written_in_the_sets_own_format(box_format):
    description = DatasetDescription("mine", rgb="a", box_format=box_format, first_pixel=1)
    boxes = np.random.default_rng(0).uniform(1, 50, (5, 4))
    np.testing.assert_allclose(to_xywh(from_xywh(boxes, description), description), boxes)


def test_pairs_in_folders_of_their_own_stay_there(run, tmp_path):
    text = 'layout: video\nrgb: color/*.avi\ntir: ir/*.avi\nboxes: ["labels/{name}__*.txt"]\n'
    (tmp_path / "pairs.yaml").write_text(text)
    for name in ("color", "ir"):
        write_video(tmp_path / "in" / "yard" / name / "a.avi", 30)
    command = (
        f"data pseudo-label {tmp_path}/pairs.yaml --root {tmp_path}/in {tmp_path}/out "
        "--window 15 --min-length 10 --teacher stub_teacher:StubTeacher"
    )
    status, _, errors = run(*command.split())
    assert status == 0, errors
    assert (tmp_path / "out" / "yard" / "labels" / "a__auto001.txt").is_file()
    sequences = open_dataset(tmp_path / "pairs.yaml", tmp_path / "out")
    assert sequences[0].name == "yard-a__auto001"
    assert all(image is not None for image in sequences[0].frame(0))
