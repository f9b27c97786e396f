"""The search of settings: what is run, what is searched, and that it can be left and resumed."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
import yaml
from stub_network import disc_frame, disc_tracker

from rgbt_track import load_tracker
from rgbt_track.config.tracker import Config, ModelConfig, TrackingConfig, load_config
from rgbt_track.data.annotations import Annotation
from rgbt_track.evaluation.tuning import groups as grouping
from rgbt_track.evaluation.tuning import search as searching
from rgbt_track.evaluation.tuning.groups import fingerprint, open_group, view_group
from rgbt_track.evaluation.tuning.objective import Objective
from rgbt_track.evaluation.tuning.results import write_experiment
from rgbt_track.evaluation.tuning.space import (
    Choice,
    Range,
    apply_settings,
    default_space,
    parse_space,
    present_values,
    to_text,
)
from rgbt_track.evaluation.tuning.study import best_trial, default_trial, open_study, run_trials
from rgbt_track.evaluation.tuning.views import FrameCache, SequenceView
from rgbt_track.resources import WEIGHTS


@dataclass(eq=False)
class Clip:
    """A bright disc that moves right and grows, pixels a frame; thermal shows it, too."""

    name: str = "clip"
    speed: float = 4.0
    growth: float = 0.0
    length: int = 6
    read: list[int] = field(default_factory=list)
    rgb: tuple[str, ...] | None = ("visible",)
    tir: tuple[str, ...] | None = ("thermal",)

    def __post_init__(self):
        time = np.arange(self.length)
        side = 24 + self.growth * time
        self.boxes = np.stack([60 + self.speed * time, 40 + 0 * side, side, side], 1)
        self.annotation = Annotation(self.boxes, np.zeros(self.length, bool))

    @property
    def labelled(self):
        return self.annotation.labelled

    @property
    def absent(self):
        return self.annotation.absent

    def frame(self, index):
        self.read.append(index)
        x, y, w, h = self.boxes[index]
        frame = disc_frame(x + w / 2, y + h / 2, w / 2, 200, 140)
        return frame, frame


# --- views


def test_a_view_runs_from_label_to_label_either_way():
    clip = Clip(length=8)
    boxes = clip.boxes.copy()
    boxes[[0, 3, 7]] = np.nan
    absent = np.arange(8) == 4
    clip.boxes, clip.annotation = boxes, Annotation(boxes, absent)
    forward, backward = SequenceView(clip), SequenceView(clip, backward=True)
    assert forward.indices.tolist() == [1, 2, 3, 4, 5, 6] == backward.indices[::-1].tolist()
    assert np.isnan(forward.boxes[[2, 3]]).all() and forward.annotation.absent[3]
    assert np.array_equal(backward.boxes, forward.boxes[::-1], equal_nan=True)
    backward.frame(0)
    assert clip.read == [6] and (forward.name, backward.name) == ("clip", "clip backward")
    assert SequenceView(clip, limit=3).indices.tolist() == [1, 2]
    assert SequenceView(clip, backward=True, limit=4).indices.tolist() == [6, 5]
    with pytest.raises(ValueError, match="clip: 1 labelled frames"):
        SequenceView(clip, limit=1)


def test_a_view_shows_the_modalities_asked_for():
    rgb, tir = SequenceView(Clip(), ("tir",)).frame(0)
    assert rgb is None and tir is not None
    with pytest.raises(ValueError, match="clip: no frames of rgb"):
        SequenceView(Clip(rgb=None), ("rgb",))


def test_frames_are_decoded_once_while_there_is_room():
    size = sum(image.nbytes for image in Clip().frame(0))
    for room, reads in ((10 * size, 6), (2 * size, 6 + 2 * 4), (0, 18)):
        clip = Clip()
        view = SequenceView(clip, cache=FrameCache(room))
        shown = [[view.frame(index)[0] for index in range(6)] for _ in range(3)]
        assert len(clip.read) == reads
        for again in shown[1:]:
            assert all(np.array_equal(a, b) for a, b in zip(shown[0], again, strict=True))


# --- groups


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smoke=plain:data/rgbt:walk*,bus", ("plain", "data/rgbt")),
        (r"smoke=C:\sets\mine.yaml:D:\data:walk*,bus", (r"C:\sets\mine.yaml", r"D:\data")),
    ],
)
def test_a_group_is_a_name_a_data_set_and_patterns(text, expected, monkeypatch):
    opened = []

    def fake(dataset, root):
        opened.append((dataset, root))
        return [Clip(name) for name in ("walk_1", "bus", "walk_2", "tram")]

    monkeypatch.setattr(grouping, "open_dataset", fake)
    name, sequences = open_group(text)
    assert opened == [expected] and name == "smoke"
    assert [sequence.name for sequence in sequences] == ["walk_1", "bus", "walk_2"]
    assert len(open_group(text.removesuffix(":walk*,bus"))[1]) == 4
    with pytest.raises(ValueError, match=r"no sequence of .* matches 'car\*'"):
        open_group(f"{text},car*")


@pytest.mark.parametrize("text", ["plain:data", "name=plain", "=plain:data", "name="])
def test_another_form_is_no_group(text):
    with pytest.raises(ValueError, match="expected NAME=DATASET:ROOT"):
        open_group(text)


def test_results_know_their_data():
    def prints(*clips, **options):
        return fingerprint(view_group([("a", clips)], **options))

    first = prints(Clip(), Clip("other"))
    moved = Clip()
    moved.annotation = Annotation(moved.boxes + 1, moved.absent)
    moved.boxes = moved.annotation.boxes
    assert first == prints(Clip(), Clip("other"))
    others = [
        prints(Clip()),
        prints(Clip("other"), Clip()),
        prints(Clip(length=5), Clip("other")),
        prints(moved, Clip("other")),
        prints(Clip(), Clip("other"), backward=True),
        prints(Clip(), Clip("other"), modalities=("tir",)),
        prints(Clip(), Clip("other"), limit=5),
    ]
    assert len({first, *others}) == 8
    with pytest.raises(ValueError, match="two groups are called 'a'"):
        view_group([("a", [Clip()]), ("a", [Clip()])])


# --- the space


def test_only_what_has_an_effect_is_searched():
    config = Config("x")
    assert "decision" in default_space(config) and "wide_search_below" not in default_space(config)
    alone = replace(config, model=ModelConfig(branches=("rgb",)))
    assert not any(name.startswith("decision") for name in default_space(alone))
    wide = replace(config, tracking=TrackingConfig(wide_search_size=319))
    assert "wide_search_below" in default_space(wide)


def test_the_present_values_are_always_within():
    tracking = TrackingConfig(penalty_k=0.9, template_update_every=7, decision="agreement")
    space = default_space(Config("x", tracking=tracking))
    assert space["penalty_k"] == Range(0.0, 0.9)
    assert isinstance(space["template_update_every"], Choice)
    assert space["template_update_every"].values[0] == 7
    present = present_values(tracking, space)
    assert present["decision_constants.memory"] == 0.9
    assert apply_settings(tracking, present).decision_constants.memory == 0.9


def test_settings_are_named_with_ranges_and_choices():
    texts = [
        "size_lr",
        "penalty_k=0:1",
        "decision=fixed,agreement",
        "decision_constants.peak_radius=1:6",
        "calibrate_branches=false,true",
    ]
    space = parse_space(texts, Config("x"))
    assert space["size_lr"] == Range(0.0, 1.0) and space["penalty_k"] == Range(0, 1)
    assert space["decision"] == Choice(("adaptive", "fixed", "agreement"))
    assert space["decision_constants.peak_radius"] == Range(1, 6, whole=True)
    assert space["calibrate_branches"] == Choice((False, True))
    assert [to_text(item) for item in space.values()][:3] == [
        "0:1",
        "0:1",
        "adaptive,fixed,agreement",
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("penalty", "setting 'penalty', did you mean 'penalty_k'"),
        ("context", "context: no usual range; give one"),
        ("penalty_k=1:0", "expected two numbers LOW:HIGH"),
        ("penalty_k=a:b", "expected two numbers LOW:HIGH"),
        ("penalty_k=-1:0", "penalty_k is -1"),
        ("decision=fixed,best", "decision is 'best'"),
        ("decision=[,best", "not values"),
        ("decision_constants.memory=0:1", "memory is 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(text, match):
    with pytest.raises(ValueError, match=match):
        parse_space([text], Config("x"))


# --- the objective


def test_groups_count_alike_and_settings_matter():
    tracker = disc_tracker()
    many = [Clip(f"slow {index}") for index in range(3)]
    groups = view_group([("slow", many), ("growing", [Clip("growing", growth=5.0)])])
    objective = Objective(tracker, groups, 10**8)
    steps = []
    good = objective.evaluate(tracker.settings, lambda *step: steps.append(step))
    assert steps == [(done, 24) for done in range(1, 25)]
    assert good.groups["slow"] > 0.8
    assert good.value == pytest.approx((good.groups["slow"] + good.groups["growing"]) / 2)
    stuck = objective.evaluate(replace(tracker.settings, size_lr=0.0))
    assert stuck.groups["growing"] < good.groups["growing"] - 0.1
    # A third run, as the first: bit for bit, and nothing is left to ask of the network.
    again = objective.evaluate(tracker.settings)
    assert again.sequences == good.sequences and again.cached == 1
    assert 0 < stuck.cached < 1, "the first crop after the start is always the same"
    assert sum(len(frames.scores) for frames in good.scored) == 4 * 5


# --- the study

SPACE = {"x": Range(-3.0, 3.0), "n": Range(0, 4, whole=True), "kind": Choice(("a", "b"))}
DEFAULT = {"x": 2.0, "n": 4, "kind": "a"}


def hill(trial, values):
    return -((values["x"] - 0.5) ** 2) - 0.1 * values["n"] - (values["kind"] == "a")


def opened(path, seed=3, **identity):
    return open_study(f"sqlite:///{path}", "s", {"data": "1", **identity}, DEFAULT, seed)


def history(study):
    return [(trial.params, trial.value) for trial in study.get_trials() if trial.value is not None]


def test_a_search_begins_as_it_was_and_finds_better(tmp_path):
    study = opened(tmp_path / "a.db")
    run_trials(study, SPACE, 25, hill)
    assert len(history(study)) == 25 and history(study)[0][0] == DEFAULT
    assert default_trial(study).number == 0
    best = best_trial(study)
    assert best.params["kind"] == "b" and best.value > hill(None, DEFAULT) + 1
    again = opened(tmp_path / "b.db")
    run_trials(again, SPACE, 25, hill)
    assert history(again) == history(study)
    other = opened(tmp_path / "c.db", seed=4)
    run_trials(other, SPACE, 3, hill)
    assert history(other)[1:] != history(study)[1:3]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path, error):
    whole = opened(tmp_path / "whole.db")
    run_trials(whole, SPACE, 14, hill)
    for stop in (0, 5, 12):
        calls = []

        def interrupted(trial, values, stop=stop, calls=calls):
            calls.append(values)
            if len(calls) > stop:
                raise error
            return hill(trial, values)

        path = tmp_path / f"{stop}.db"
        with pytest.raises(error):
            run_trials(opened(path), SPACE, 14, interrupted)
        study = opened(path)
        run_trials(study, SPACE, 14, hill)
        assert history(study) == history(whole)
        assert default_trial(study).params == DEFAULT


def test_two_processes_share_the_work(tmp_path):
    studies = [opened(tmp_path / "a.db"), opened(tmp_path / "a.db")]

    def other_first(trial, values):
        if len(history(studies[1])) < 4:
            run_trials(studies[1], SPACE, 4, hill)
        return hill(trial, values)

    run_trials(studies[0], SPACE, 8, other_first)
    settings = [json.dumps(params, sort_keys=True) for params, _ in history(studies[0])]
    assert len(settings) == len(set(settings)) == 8


def test_a_study_of_something_else_is_refused(tmp_path):
    opened(tmp_path / "a.db")
    with pytest.raises(ValueError, match=r"study 's' in .* was made with another data"):
        opened(tmp_path / "a.db", data="2")
    with pytest.raises(ValueError, match="no finished trial"):
        best_trial(opened(tmp_path / "a.db"))
    with pytest.raises(ValueError, match="--storage nonsense: cannot be used"):
        open_study("nonsense", "s", {}, DEFAULT, 0)


# --- search, fit and what is written


def test_a_search_over_a_tracker_resumes_and_reports_its_data(tmp_path):
    tracker = disc_tracker(window_influence=0.9, size_lr=0.1)
    groups = view_group([("a", [Clip(), Clip("growing", growth=5.0)])])
    space = parse_space(["window_influence", "size_lr"], tracker.config)
    options = {"storage": f"sqlite:///{tmp_path / 'a.db'}", "study": "disc"}
    searching.search(Objective(tracker, groups, 10**8), space, {}, trials=3, **options)
    steps = []
    result = searching.search(
        Objective(tracker, groups, 10**8),
        space,
        {},
        trials=6,
        on_progress=lambda *step: steps.append(step),
        **options,
    )
    assert steps == [(done, 6 * 12) for done in range(3 * 12 + 1, 6 * 12 + 1)]
    assert [trial.number for trial in result.trials] == list(range(6))
    assert result.default.params == {"window_influence": 0.9, "size_lr": 0.1}
    assert result.best.value > result.default.value
    assert result.tracking.window_influence == result.best.params["window_influence"]
    assert set(result.best.user_attrs["sequences"]["a"]) == {"clip", "growing"}
    other = view_group([("a", [Clip()])])
    with pytest.raises(ValueError, match="another data"):
        searching.search(Objective(tracker, other, 0), space, {}, trials=7, **options)


def test_the_score_is_fitted_to_what_was_correct():
    """Half of the frames are labelled elsewhere, so that a high score is correct half the time."""
    clip = Clip(length=11)
    clip.boxes[1::2] += np.array([0, 50, 0, 0])
    objective = Objective(disc_tracker(), view_group([("a", [clip])]), 10**8)
    tracking = replace(disc_tracker().settings, score_bias=2.0)
    fit = searching.fit_score(objective, tracking)
    assert fit.before.error > 0.3 and fit.after.error < 0.05
    assert fit.tracking == replace(
        tracking, score_scale=fit.tracking.score_scale, score_bias=fit.tracking.score_bias
    )


def test_the_experiment_is_found_with_its_weights(tmp_path):
    shipped = load_config("lrrtrack_lite")
    tracking = replace(shipped.tracking, penalty_k=0.25)
    config = replace(shipped, tracking=tracking)
    path = write_experiment(tmp_path, config, WEIGHTS / "lrrtrack_lite.safetensors", "about\nit")
    assert path.read_text().startswith("# about\n# it\n") and path.stem == "lrrtrack_lite_tuned"
    tuned = load_tracker(path)
    assert tuned.settings == tracking and tuned.config.model == shipped.model
    (tmp_path / "out").mkdir()
    (tmp_path / "w.safetensors").write_bytes((WEIGHTS / "lrrtrack_lite.safetensors").read_bytes())
    path = write_experiment(tmp_path / "out", tuned.config, tmp_path / "w.safetensors", "about")
    assert path.stem == "lrrtrack_lite_tuned"
    assert yaml.safe_load(path.read_text())["weights"] == "../w.safetensors"
    assert load_tracker(path).settings == tracking


# --- the command


@pytest.fixture
def footage(tmp_path):
    for name, speed in (("walk", 2.0), ("run", 5.0)):
        clip = Clip(name, speed, length=4)
        for folder in ("color", "ir"):
            (tmp_path / "data" / name / folder).mkdir(parents=True)
            for index in range(4):
                image = cv2.resize(clip.frame(index)[0], (100, 70))
                cv2.imwrite(str(tmp_path / "data" / name / folder / f"{index}.png"), image)
        np.savetxt(tmp_path / "data" / name / "groundtruth.txt", clip.boxes / 2, "%g", ",")
    return tmp_path / "data"


def test_the_command_leaves_a_tracker_tables_and_plots(footage, tmp_path, run):
    out = tmp_path / "out"
    arguments = ("tune", "matching", "plain", "--root", footage, "--out", out, "--seed", 1)
    search = ("--setting", "window_influence", "--setting", "decision=fixed,adaptive")
    code, printed, error = run(*arguments, *search, "--trials", 2)
    assert code == 0, error
    assert "matching_tuned.yaml" in printed and "standard error over 2 runs" in printed
    code, printed, error = run(
        *arguments, *search, "--trials", 3, "--group", f"more=plain:{footage}:walk"
    )
    assert code == 1 and "was made with another data" in error
    code, printed, error = run(*arguments, *search, "--trials", 3)
    assert code == 0, error
    with (out / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["window_influence"] == "0.2" and rows[0]["decision"] == "adaptive"
    document = json.loads((out / "tuning.json").read_text())
    best = max(document["trials"], key=lambda trial: trial["AO"])
    assert len(document["data"]) == 16 and document["best"] == best["number"]
    tuned = load_tracker(out / "matching_tuned.yaml")
    assert tuned.settings.window_influence == best["settings"]["window_influence"]
    assert tuned.settings.penalty_k == 0
    for name in ("history.svg", "settings.svg"):
        assert "<svg" in (out / name).read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no sequences: give DATASET and --root, or --group"),
        (("plain",), "DATASET and --root belong together"),
        (("--trials", 0), "there is nothing to do without --calibrate"),
        (("--view", "ir"), "--view 'ir'"),
        (("--setting", "penalty"), "did you mean 'penalty_k'"),
    ],
)
def test_what_cannot_be_tuned_is_said_in_one_line(run, tmp_path, arguments, message):
    code, _, error = run("tune", "matching", *arguments, "--out", tmp_path / "out")
    assert code == 1 and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
