"""Reliability, long-term measures and recalibration: against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from stub_network import disc_frame, disc_tracker

from rgbt_track.data.annotations import Annotation
from rgbt_track.evaluation.calibration import (
    ScoredFrames,
    calibrate_scores,
    fit_recalibration,
    long_term,
    reliability,
    scored_frames,
)
from rgbt_track.evaluation.metrics import f_score, long_term_curves
from rgbt_track.tracking.recalibration import recalibrate


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def sigmoid(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))


# --- reliability


def slow_error(scores: np.ndarray, correct: np.ndarray, bins: int) -> float:
    """The definition, bin by bin: (k / B, (k + 1) / B], and 0 in the first."""
    total = 0.0
    for k in range(bins):
        inside = [k < s * bins <= k + 1 or (s == 0 and k == 0) for s in scores]
        members = [(s, r) for s, r, i in zip(scores, correct, inside, strict=True) if i]
        if members:
            mean_score = sum(s for s, _ in members) / len(members)
            share = sum(r for _, r in members) / len(members)
            total += len(members) / len(scores) * abs(mean_score - share)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_calibration_error_is_that_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.random(200), [0.0, 0.5, 1.0]])
    correct = rng.random(203) < scores**2
    for bins in (1, 4, 10):
        diagram = reliability(scores, correct, bins)
        assert diagram.error == pytest.approx(slow_error(scores, correct, bins))
        assert diagram.frames.sum() == 203


def test_scores_that_say_what_happens_have_no_error() -> None:
    correct = np.arange(10) < 8
    assert reliability(np.full(10, 0.8), correct).error == pytest.approx(0)
    confident = reliability(np.full(10, 0.95), correct)
    assert confident.error == pytest.approx(0.15)
    assert confident.frames.tolist() == [0] * 9 + [10]
    assert np.isnan(confident.score[:9]).all() and confident.correct[9] == pytest.approx(0.8)


# --- which frames count


def test_absent_frames_are_never_right_and_unlabelled_ones_do_not_count() -> None:
    box = [10.0, 10, 10, 10]
    boxes = np.array([box, box, [np.nan] * 4, box, box])
    annotation = Annotation(boxes, absent=np.array([False, False, False, True, False]))
    boxes = np.array([box, box, box, box, [17.0, 10, 10, 10]])
    frames = scored_frames([1, 0.9, 0.8, 0.7, 0.6], boxes, annotation)
    assert frames.scores.tolist() == [0.9, 0.7, 0.6]
    assert frames.present.tolist() == [True, False, True]
    np.testing.assert_allclose(frames.overlaps, [1, 0, 3 / 17])
    assert frames.correct.tolist() == [True, False, False]


# --- precision and recall


def slow_curves(scores, overlaps, present, threshold) -> tuple[float, float]:
    reported = [o for s, o in zip(scores, overlaps, strict=True) if s >= threshold]
    precision = sum(reported) / len(reported) if reported else 1.0
    return precision, sum(reported) / sum(present)


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_recall_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    present = rng.random(40) < 0.7
    scores, overlaps = rng.random(40), rng.random(40) * present
    thresholds = [0.0, 0.3, scores[7], 2.0]
    precision, recall = long_term_curves(scores, overlaps, present, thresholds)
    for index, threshold in enumerate(thresholds):
        expected = slow_curves(scores, overlaps, present, threshold)
        assert (precision[index], recall[index]) == pytest.approx(expected)


def test_the_f_score_is_the_harmonic_mean() -> None:
    np.testing.assert_allclose(f_score([0.5, 0.0, 1.0], [1.0, 0.0, 1.0]), [2 / 3, 0, 1])


def test_a_score_that_falls_when_the_target_leaves_is_worth_full_marks() -> None:
    """Three sequences; in two the target is away for a while, which only one tracker notices."""
    present = np.array([True] * 6 + [False] * 4)
    overlaps = np.where(present, 0.8, 0.0)
    always = ScoredFrames(np.full(5, 0.9), np.full(5, 0.8), np.ones(5, bool))
    aware = ScoredFrames(np.where(present, 0.9, 0.1), overlaps, present)
    blind = ScoredFrames(np.full(10, 0.9), overlaps, present)
    curve = long_term([always, aware])
    assert curve.thresholds[curve.best] == 0.9
    assert curve.f[curve.best] == pytest.approx(0.8) and curve.absent_accuracy == 1
    curve = long_term([always, blind])
    assert curve.absent == 4 and curve.absent_accuracy == 0
    precision, recall = (0.8 + 0.48) / 2, 0.8
    assert curve.f[curve.best] == pytest.approx(2 * precision * recall / (precision + recall))


def test_only_what_can_be_known_is_said() -> None:
    present = np.array([True, False])
    logits = ScoredFrames(np.array([3.0, -2.0]), np.array([0.9, 0.0]), present)
    item = calibrate_scores([logits])
    assert item.reliability is None and item.long_term is not None
    assert item.long_term.f.max() == pytest.approx(0.9)
    item = calibrate_scores([ScoredFrames(np.array([0.5]), np.array([0.9]), present[:1])])
    assert item.reliability is not None and item.long_term is None


# --- recalibration


def test_the_fit_has_the_closed_form_of_two_scores() -> None:
    """With two different scores, two numbers meet the mean target at each of them exactly."""
    counts = {0.9: (60, 40), 0.99: (95, 5)}  # score: correct and wrong frames
    scores = np.concatenate([np.full(sum(n), s) for s, n in counts.items()])
    correct = np.concatenate([np.arange(sum(n)) < n[0] for n in counts.values()])
    hit, miss = 156 / 157, 1 / 47
    means = [(n[0] * hit + n[1] * miss) / sum(n) for n in counts.values()]
    low, high = map(logit, counts)
    expected_scale = (logit(means[1]) - logit(means[0])) / (high - low)
    scale, bias = fit_recalibration(scores, correct)
    assert scale == pytest.approx(expected_scale, rel=1e-6)
    assert bias == pytest.approx(logit(means[0]) - expected_scale * low, rel=1e-6)


@pytest.mark.parametrize(("scale", "bias"), [(0.4, -1.0), (2.0, 0.5)])
def test_the_fit_finds_how_scores_were_distorted(scale: float, bias: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.random(20_000) * 0.96 + 0.02
    scores = sigmoid((np.log(true / (1 - true)) - bias) / scale)
    correct = rng.random(20_000) < true
    fitted = fit_recalibration(scores, correct)
    assert fitted == pytest.approx((scale, bias), abs=0.06)
    better = [recalibrate(score, *fitted) for score in scores]
    assert reliability(better, correct).error < 0.02 < reliability(scores, correct).error


def test_scores_in_the_wrong_order_keep_it_and_lose_their_weight() -> None:
    scores = np.repeat([0.2, 0.9], 50)
    correct = np.repeat([True, False], 50)
    scale, bias = fit_recalibration(scores, correct)
    assert scale == 0.01
    mean = np.mean([recalibrate(s, scale, bias) for s in scores])
    assert mean == pytest.approx(0.5 * (51 / 52 + 1 / 52))


@pytest.mark.parametrize("correct", [True, False])
def test_a_fit_needs_right_and_wrong_frames(correct: bool) -> None:
    with pytest.raises(ValueError, match="needs both"):
        fit_recalibration([0.5, 0.6], [correct, correct])


def test_recalibration_keeps_order_and_ends() -> None:
    scores = [0.0, 1e-300, 0.1, 0.5, 0.9, 1 - 1e-16, 1.0]
    for scale, bias in ((0.3, -2.0), (5.0, 1.0), (0.01, 40.0)):
        values = [recalibrate(score, scale, bias) for score in scores]
        assert values == sorted(values) and values[0] == 0 and values[-1] == 1
    assert [recalibrate(score, 1.0, 0.0) for score in scores] == scores
    assert recalibrate(0.8, 0.5, -1.0) == pytest.approx(1 / (1 + math.exp(1 - 0.5 * logit(0.8))))


def test_the_trackers_score_is_recalibrated_and_no_box_changes() -> None:
    """The target jumps, so that the second search's thresholds on the score are in play."""
    places = [(60, 120), (64, 120), (150, 120), (154, 120)]
    runs = {}
    for name, settings in {"raw": {}, "new": {"score_scale": 0.4, "score_bias": -3.0}}.items():
        tracker = disc_tracker(wide_search_size=639, template_update_every=1, **settings)
        frame = disc_frame(*places[0], 12)
        states = [tracker.init(frame, frame, [48, 108, 24, 24])]
        for place in places[1:]:
            frame = disc_frame(*place, 12)
            states.append(tracker.update(frame, frame, states[-1]))
        runs[name] = states
    for raw, new in zip(runs["raw"][1:], runs["new"][1:], strict=True):
        assert np.array_equal(raw.box, new.box) and raw.confidence == new.confidence
        assert new.score == recalibrate(raw.score, 0.4, -3.0) < raw.score
    assert runs["new"][0].score == 1
