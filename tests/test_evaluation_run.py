"""Running, resuming and stamping results; disturbances; failure sheets; with toy trackers."""

from __future__ import annotations

import json
import multiprocessing
import time
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from rgbt_track.data.annotations import Annotation
from rgbt_track.evaluation import trackers
from rgbt_track.evaluation.ground_truth import open_evaluation_set
from rgbt_track.evaluation.report import failures
from rgbt_track.evaluation.result_files import companion_path, frame_rate, read_scores, result_paths
from rgbt_track.evaluation.robustness import disturbances as degrade
from rgbt_track.evaluation.robustness import protocol as robustness
from rgbt_track.evaluation.robustness.disturbances import DisturbedSequence, missing_spans
from rgbt_track.evaluation.runner import TrackingJob, run_jobs, run_sequence
from rgbt_track.evaluation.trackers import TrackerSource

SIZE = (48, 64)  # height, width


@dataclass(frozen=True)
class State:
    box: np.ndarray


class BrightestTracker:
    """Centres a box of the first size on the brightest thermal pixel; stays where there is none."""

    def init(self, rgb, tir, box):
        return State(np.asarray(box, float))

    def update(self, rgb, tir, state):
        if tir is None:
            return state
        y, x = np.unravel_index(np.argmax(tir), tir.shape)
        w, h = state.box[2:]
        return State(np.array([x + 0.5 - w / 2, y + 0.5 - h / 2, w, h]))


class FailingTracker(BrightestTracker):
    def update(self, rgb, tir, state):
        raise ValueError("out of luck")


class SlowTracker(BrightestTracker):
    def update(self, rgb, tir, state):
        time.sleep(0.02)
        return state


@dataclass(frozen=True)
class ScoredState(State):
    score: float = 1.0


class ScoringTracker(BrightestTracker):
    """Its score falls by an eighth with every frame."""

    def init(self, rgb, tir, box):
        return ScoredState(np.asarray(box, float))

    def update(self, rgb, tir, state):
        return ScoredState(super().update(rgb, tir, state).box, state.score - 0.125)


def scoring(device):
    return ScoringTracker()


def slow(device):
    return SlowTracker()


def brightest(device):
    return BrightestTracker()


def failing(device):
    return FailingTracker()


SOURCE = TrackerSource(f"{__name__}:brightest")


class Clip:
    """A bright thermal dot of 3x3 pixels that moves right by one pixel per frame."""

    def __init__(self, name="clip", length=12):
        self.name, self.length = name, length
        start = np.array([10.0, 20, 3, 3])
        self.boxes = start + np.arange(length)[:, None] % 40 * np.array([1, 0, 0, 0])

    def __len__(self):
        return self.length

    def frame(self, index):
        rgb = np.full((*SIZE, 3), 100, np.uint8)
        tir = np.full(SIZE, 60, np.uint8)
        x, y = self.boxes[index, :2].astype(int)
        tir[y : y + 3, x : x + 3] = 180
        tir[y + 1, x + 1] = 200
        return rgb, tir


@pytest.fixture
def plain(tmp_path):
    """Two clips on disk in the plain layout."""
    root = tmp_path / "data"
    for name, length in (("left", 12), ("right", 8)):
        clip = Clip(name, length)
        for folder in ("color", "ir"):
            (root / name / folder).mkdir(parents=True)
        for index in range(length):
            rgb, tir = clip.frame(index)
            cv2.imwrite(str(root / name / "color" / f"{index + 1:04d}.png"), rgb)
            cv2.imwrite(str(root / name / "ir" / f"{index + 1:04d}.png"), tir)
        np.savetxt(root / name / "groundtruth.txt", clip.boxes, "%g", ",")
    return root


# --- the runner


def test_a_run_gives_one_box_and_one_time_per_frame():
    counted = []
    run = run_sequence(BrightestTracker(), Clip(), lambda *step: counted.append(step))
    assert np.array_equal(run.boxes, Clip().boxes)
    assert run.seconds.shape == (12,) and run.scores is None
    assert counted == [(done, 12) for done in range(1, 13)]


def test_a_first_frame_without_box_is_refused():
    clip = Clip()
    clip.boxes[0] = np.nan
    with pytest.raises(ValueError, match="clip: the first frame has no box"):
        run_sequence(BrightestTracker(), clip)


def test_files_are_written_in_the_data_sets_own_pixels(tmp_path):
    run_jobs(SOURCE, [TrackingJob(Clip(), tmp_path / "T" / "clip.txt", first_pixel=1)])
    rows = np.loadtxt(tmp_path / "T" / "clip.txt", delimiter=",")
    assert np.array_equal(rows, Clip().boxes + np.array([1, 1, 0, 0]))
    assert len(np.loadtxt(tmp_path / "T" / "clip_time.txt")) == 12
    assert sorted(path.name for path in (tmp_path / "T").iterdir()) == [
        "clip.txt",
        "clip_time.txt",
    ]


def test_scores_are_written_beside_the_boxes(tmp_path):
    job = TrackingJob(Clip(length=5), tmp_path / "clip.txt")
    run_jobs(TrackerSource(f"{__name__}:scoring"), [job])
    assert (tmp_path / "clip_score.txt").read_text().split() == [
        f"{1 - index / 8:.6f}" for index in range(5)
    ]
    scores = read_scores({"clip": job.path})
    assert scores["clip"].tolist() == [1, 0.875, 0.75, 0.625, 0.5]


def test_sequences_that_are_called_like_times_and_scores_keep_their_boxes(tmp_path):
    names = ["car", "car_time", "car_score", "car_time_score"]
    jobs = [TrackingJob(Clip(name, 4 + len(name)), tmp_path / f"{name}.txt") for name in names]
    run_jobs(TrackerSource(f"{__name__}:scoring"), jobs)
    assert all(job.done for job in jobs)
    paths = result_paths(tmp_path, names)
    assert paths == {job.sequence.name: job.path for job in jobs}
    assert {name: len(values) for name, values in read_scores(paths).items()} == {
        name: 4 + len(name) for name in names
    }
    assert frame_rate(paths) > 0
    reserved = {tmp_path / f"car{end}.txt" for end in ("_time", "_times")}
    with pytest.raises(ValueError, match=r"no name left for its times: car_time\.txt"):
        companion_path(tmp_path / "car.txt", "time", reserved)


def test_only_what_is_missing_or_incomplete_is_run(tmp_path):
    jobs = [TrackingJob(Clip(name), tmp_path / f"{name}.txt") for name in "abc"]
    run_jobs(SOURCE, jobs)
    (tmp_path / "b.txt").unlink()
    whole = (tmp_path / "c.txt").read_text()
    (tmp_path / "c.txt").write_text("\n".join(whole.splitlines()[:5]))
    before = (tmp_path / "a.txt").stat().st_mtime_ns
    frames = []
    run_jobs(SOURCE, jobs, on_progress=lambda *step: frames.append(step))
    assert frames == [(done, 24) for done in range(1, 25)]
    assert (tmp_path / "a.txt").stat().st_mtime_ns == before
    assert (tmp_path / "c.txt").read_text() == whole


def test_a_failing_sequence_does_not_stop_the_others(tmp_path):
    bad = Clip("bad")
    bad.boxes[0] = np.nan
    jobs = [
        TrackingJob(bad, tmp_path / "bad.txt"),
        TrackingJob(Clip("good"), tmp_path / "good.txt"),
    ]
    with pytest.raises(ValueError, match=r"1 of 2 sequences failed.*bad: bad: the first frame"):
        run_jobs(SOURCE, jobs)
    assert [job.done for job in jobs] == [False, True]


def test_processes_give_the_same_files(tmp_path, plain):
    data = open_evaluation_set("plain", plain)
    one = [
        TrackingJob(item, tmp_path / "1" / f"{item.name}.txt") for item in data.sequences.values()
    ]
    two = [
        TrackingJob(item, tmp_path / "2" / f"{item.name}.txt") for item in data.sequences.values()
    ]
    frames = []
    run_jobs(SOURCE, one)
    run_jobs(SOURCE, two, workers=2, on_progress=lambda *step: frames.append(step))
    assert frames == sorted(frames) and frames[-1] == (20, 20)
    for a, b in zip(one, two, strict=True):
        assert a.path.read_text() == b.path.read_text()
    three = [
        TrackingJob(item, tmp_path / "3" / f"{item.name}.txt") for item in data.sequences.values()
    ]
    with pytest.raises(ValueError, match=r"2 of 2 sequences failed.*out of luck"):
        run_jobs(TrackerSource(f"{__name__}:failing"), three, workers=2)


def test_an_interruption_does_not_wait_for_whole_sequences(tmp_path):
    jobs = [TrackingJob(Clip(name, 150), tmp_path / f"{name}.txt") for name in "abcd"]

    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(TrackerSource(f"{__name__}:slow"), jobs, workers=2, on_progress=interrupt)
    for process in multiprocessing.active_children():
        process.join()
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_that_cannot_be_made_is_reported_in_one_line(tmp_path):
    jobs = [TrackingJob(Clip(name), tmp_path / f"{name}.txt") for name in "ab"]
    with pytest.raises(ValueError, match=r"2 of 2 sequences failed.*: no tracker") as caught:
        run_jobs(TrackerSource("nowhere:tracker"), jobs, workers=2)
    assert "\n" not in str(caught.value)


# --- which tracker


def test_a_dotted_path_must_lead_somewhere():
    for name in ("no_such_package:tracker", f"{__name__}:nothing"):
        with pytest.raises(ValueError, match=r"expected package\.module:factory"):
            trackers.make_tracker(name)
    with pytest.raises(ValueError, match="its factory knows its own"):
        trackers.make_tracker(f"{__name__}:brightest", weights="w.pth")
    assert trackers.short_name(f"{__name__}:brightest") == "brightest"
    assert trackers.short_name("runs/best.yaml") == "best"


def test_a_folder_belongs_to_one_tracker(tmp_path):
    trackers.claim_folder(tmp_path, {"tracker": "A"})
    trackers.claim_folder(tmp_path, {"tracker": "A"})
    (tmp_path / "offset" / "4").mkdir(parents=True)
    for name in ("walk.txt", "walk_time.txt", "notes.txt"):
        (tmp_path / name).write_text("1,2,3,4\n")
        (tmp_path / "offset" / "4" / name).write_text("1,2,3,4\n")
    with pytest.raises(ValueError, match="other settings or weights"):
        trackers.claim_folder(tmp_path, {"tracker": "B"})
    assert (tmp_path / "walk.txt").exists()
    trackers.claim_folder(tmp_path, {"tracker": "B"}, force=True)
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["notes.txt", "notes.txt", trackers.FINGERPRINT_FILE]
    assert json.loads((tmp_path / trackers.FINGERPRINT_FILE).read_text()) == {"tracker": "B"}


def test_a_folder_knows_its_data(tmp_path):
    """Results of one copy of the data are never scored with another; a folder may be filled bit
    by bit."""
    fingerprint = {"tracker": "A"}
    trackers.claim_folder(tmp_path, fingerprint, data={"car": "1", "bus": "2"})
    trackers.claim_folder(tmp_path, fingerprint, data={"tree": "3"})
    with pytest.raises(ValueError, match=r"other data: the ground truth of bus .*--force"):
        trackers.claim_folder(tmp_path, fingerprint, data={"car": "1", "bus": "x"})
    for name in ("bus.txt", "bus_time.txt", "bus_score.txt"):
        (tmp_path / name).write_text("1\n")
    trackers.claim_folder(tmp_path, fingerprint, data={"bus": "x"}, force=True)
    assert [path.name for path in tmp_path.iterdir()] == [trackers.FINGERPRINT_FILE]
    assert json.loads((tmp_path / trackers.FINGERPRINT_FILE).read_text())["data"] == {"bus": "x"}
    (tmp_path / trackers.FINGERPRINT_FILE).write_text("[]")
    with pytest.raises(ValueError, match=r"tracker\.json: damaged"):
        trackers.claim_folder(tmp_path, fingerprint)


def test_the_digest_of_an_annotation_is_that_of_its_labels():
    boxes = np.array([[1.0, 2, 3, 4], [np.nan] * 4, [0, 2, 3, 4]])
    first = Annotation(boxes, np.zeros(3, bool)).digest
    nearly = boxes + np.array([1e-7, 0, 0, 0])
    nearly[2, 0] = -0.0
    assert Annotation(nearly, np.zeros(3, bool)).digest == first
    others = [
        Annotation(boxes[:2], np.zeros(2, bool)),
        Annotation(boxes + 0.01, np.zeros(3, bool)),
        Annotation(boxes, np.array([False, True, False])),
    ]
    assert len({first, *(item.digest for item in others)}) == 4


@pytest.mark.parametrize("force", [False, True])
def test_results_without_a_stamp_are_somebody_elses(tmp_path, force):
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "walk.txt").write_text("1,2,3,4\n")
    with pytest.raises(ValueError, match=r"no tracker\.json.*--results or --label"):
        trackers.claim_folder(tmp_path, {"tracker": "A"}, force=force)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["walk.txt"]


def test_missing_weights_are_named():
    with pytest.raises(FileNotFoundError, match=r"no such weights: gone\.pth"):
        trackers.describe_tracker("lrrtrack_r50", "gone.pth")


def test_the_stamp_of_a_shipped_tracker_holds_its_settings():
    fingerprint = trackers.describe_tracker("lrrtrack_r50")
    assert fingerprint["tracker"] == "lrrtrack_r50"
    assert fingerprint["tracking"]["search_size"] == 255
    json.dumps(fingerprint)


def test_an_untrained_network_is_told_from_a_tracker_that_needs_no_training():
    assert trackers.lacks_weights("lrrtrack_r50")
    assert not trackers.lacks_weights("lrrtrack_r50", "trained.safetensors")
    assert not trackers.lacks_weights("matching")
    assert not trackers.lacks_weights("somebody:else")


# --- disturbances


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("seed", range(5))
def test_spans_have_the_share_asked_for_and_spare_the_first_frame(seed, share):
    spans = missing_spans(201, share, np.random.default_rng(seed))
    assert (spans >= 0).sum() == round(share * 200)
    assert spans[0] == -1
    for number in range(spans.max() + 1):
        places = np.flatnonzero(spans == number)
        assert np.array_equal(places, np.arange(places[0], places[0] + len(places)))
        assert len(places) <= 30
        assert len(places) >= 5 or number == spans.max()


def test_spans_depend_on_seed_and_sequence_alone():
    clips = [Clip("a", 300), Clip("b", 300)]
    lost = [DisturbedSequence(clips[0], "no_tir", 0.5, seed).lost for seed in (0, 0, 1)]
    other = DisturbedSequence(clips[1], "no_tir", 0.5).lost
    assert np.array_equal(lost[0], lost[1])
    assert not np.array_equal(lost[0], lost[2])
    assert not np.array_equal(lost[0], other)


def test_lost_modalities_are_none():
    clip = Clip("clip", 300)
    for kind, codes in (("no_rgb", {0, 1}), ("no_tir", {0, 2}), ("no_either", {0, 1, 2})):
        disturbed = DisturbedSequence(clip, kind, 0.5)
        assert set(disturbed.lost.tolist()) == codes
        for index in range(0, 300, 7):
            rgb, tir = disturbed.frame(index)
            assert (rgb is None) == (disturbed.lost[index] == 1)
            assert (tir is None) == (disturbed.lost[index] == 2)


def test_an_offset_moves_the_thermal_frame_by_its_length():
    clip = Clip()
    for severity in (2, 8):
        rgb, tir = DisturbedSequence(clip, "offset", severity).frame(3)
        assert np.array_equal(rgb, clip.frame(3)[0])
        weights = tir.astype(float) - 60
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        center = np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()
        moved = center - (clip.boxes[3, :2] + 1)
        assert np.hypot(*moved) == pytest.approx(severity, abs=0.15)


def test_noise_has_its_strength_and_repeats():
    clip = Clip()
    disturbed = DisturbedSequence(clip, "noise_rgb", 10)
    rgb, tir = disturbed.frame(4)
    assert np.std(rgb.astype(float) - 100) == pytest.approx(10, rel=0.05)
    assert np.array_equal(tir, clip.frame(4)[1])
    assert np.array_equal(rgb, DisturbedSequence(clip, "noise_rgb", 10).frame(4)[0])
    assert not np.array_equal(rgb, disturbed.frame(5)[0])
    _, tir = DisturbedSequence(clip, "noise_tir", 10).frame(4)
    assert np.std(tir[30:].astype(float)) == pytest.approx(10, rel=0.05)


def test_noise_on_deep_images_follows_their_contrast():
    clip = Clip()
    shown = clip.frame
    clip.frame = lambda index: (None, np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) + 9000)
    _, noisy = DisturbedSequence(clip, "noise_tir", 20).frame(0)
    assert noisy.dtype == np.uint16
    spread = np.std(noisy.astype(float) - clip.frame(0)[1])
    assert spread == pytest.approx(20 * 48 * 64 / 255, rel=0.1)
    assert shown(0)[1].dtype == np.uint8


def test_severity_0_changes_nothing():
    clip = Clip()
    for kind in degrade.DISTURBANCES:
        for index in (0, 5):
            for a, b in zip(
                DisturbedSequence(clip, kind, 0).frame(index), clip.frame(index), strict=True
            ):
                assert np.array_equal(a, b)


def test_bad_disturbances_are_refused():
    with pytest.raises(ValueError, match="did you mean 'offset'"):
        DisturbedSequence(Clip(), "ofset", 1)
    with pytest.raises(ValueError, match="expected from 0 to 1"):
        robustness.make_plan("no_tir", [2])
    with pytest.raises(ValueError, match="expected from 0 to 10000"):
        robustness.make_plan("offset", [-1])
    clip = Clip()
    clip.frame = lambda index: (None, np.zeros(SIZE, np.uint8))
    with pytest.raises(ValueError, match="has one modality only"):
        DisturbedSequence(clip, "no_tir", 1).frame(3)


def test_the_curve_falls_with_the_severity_of_what_the_tracker_needs(tmp_path, plain):
    data = open_evaluation_set("plain", plain, "generic")
    results = {}
    for kind in ("no_tir", "no_rgb", "offset"):
        plan = robustness.make_plan(kind, [0.5, 1])
        run_jobs(SOURCE, robustness.plan_jobs(data, plan, tmp_path / "T", seed=0))
        results[kind] = (plan, {"T": robustness.severity_curve(data, plan, tmp_path / "T")})
    thermal = results["no_tir"][1]["T"]
    assert thermal[0] == 1
    assert thermal[0] > thermal[0.5] > thermal[1]
    assert set(results["no_rgb"][1]["T"].values()) == {1}
    assert results["offset"][1]["T"][1] < 1
    page = robustness.write_robustness(tmp_path / "report", data, results, seed=0)
    assert page.read_text().count("data:image/svg+xml") == 3
    document = json.loads((tmp_path / "report" / "robustness.json").read_text())
    assert document["curves"]["no_tir"]["T"]["1.0"] == thermal[1]


# --- failures


def test_worst_frames_are_low_and_apart():
    overlaps = np.ones(100)
    overlaps[40:60] = np.linspace(0.08, 0, 20)
    overlaps[80] = 0.5
    overlaps[0] = np.nan
    frames = failures.worst_frames(overlaps, 4)
    assert frames == [1, 40, 59, 80]  # 40 is the first that is lost, 59 the lowest
    assert (np.diff(frames) >= 12).all()


def test_worst_sequences_come_first_and_are_drawn(tmp_path, plain):
    data = open_evaluation_set("plain", plain, "generic")
    good, bad = data.sequences["left"].boxes, data.sequences["right"].boxes.copy()
    bad[4:] += 20
    np.savetxt(tmp_path / "left.txt", good)
    np.savetxt(tmp_path / "right.txt", bad)
    worst = failures.worst_sequences(data, tmp_path)
    assert [item.sequence.name for item in worst] == ["right", "left"]
    assert worst[0].caption == f"right: AO {3 / 7:.3f}, first lost in row 5 of 8"
    assert worst[1].caption == "left: AO 1.000, never lost of 12"
    sheet = failures.failure_contact_sheet(worst, 3)
    assert sheet.shape == (2 * (22 + 22 + 400), 600, 3)
    red, green, blue = np.moveaxis(sheet.astype(int), -1, 0)
    assert (green - np.maximum(red, blue) > 80).any()
    assert (red - np.maximum(green, blue) > 80).any()
    images = failures.failure_images(worst, 3)
    assert list(images) == [item.caption for item in worst]
    assert all(data.startswith(b"\xff\xd8") for data in images.values())
    (tmp_path / "left.txt").write_text("1,2,3,4\n")
    with pytest.raises(ValueError, match=r"left\.txt: 1 rows for 12 frames"):
        failures.worst_sequences(data, tmp_path)
