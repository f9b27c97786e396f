"""Every rule set against a twin written as plain loops from its definition, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rgbt_track.evaluation import score_results
from rgbt_track.evaluation.rules import BENCHMARKS, find_rules
from rgbt_track.evaluation.scoring import score_tracker

GRID = [0.05 * i for i in range(10)] + [0.5] + [1 - 0.05 * i for i in range(9, -1, -1)]


# --- the twins: scalars and loops, sharing nothing with the package


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(0.0, width) * max(0.0, height)
    union = a[2] * a[3] + b[2] * b[3] - inter
    return inter / union if union > 0 else 0.0


def distance(a, b, scale_x=1.0, scale_y=1.0, minus=0):
    ax, ay = (a[0] + (a[2] - minus) / 2) / scale_x, (a[1] + (a[3] - minus) / 2) / scale_y
    bx, by = (b[0] + (b[2] - minus) / 2) / scale_x, (b[1] + (b[3] - minus) / 2) / scale_y
    return math.sqrt((ax - bx) ** 2 + (ay - by) ** 2)


def mean(values):
    return sum(values) / len(values)


def twin_gtot(results, truth):
    near = frames = 0
    limits = [0.02 * i for i in range(25)] + [0.5] + [1 - 0.02 * i for i in range(24, -1, -1)]
    above = [0] * 51
    for name, rows in results.items():
        for row, visible, infrared in zip(
            rows, truth[name]["visible"], truth[name]["infrared"], strict=True
        ):
            if len(row) == 8:
                row = [row[0], row[1], row[4] - row[0], row[5] - row[1]]
                row = [math.copysign(math.floor(abs(value) + 0.5), value) for value in row]
            both = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in (visible, infrared)]
            frames += 1
            near += min(distance(row, box) for box in both) < 5
            best = max(iou(row, box) for box in both)
            for index, limit in enumerate(limits):
                above[index] += best > limit
    curve = [count / frames for count in above]
    area = sum(
        (limits[i + 1] - limits[i]) * (curve[i] + curve[i + 1]) / 2 for i in range(len(limits) - 1)
    )
    return {"PR": near / frames, "SR": area}


def twin_rgbt234(results, truth):
    near, area = [], []
    for name, rows in results.items():
        pairs = list(zip(rows, truth[name]["visible"], truth[name]["infrared"], strict=True))
        near.append(mean([min(distance(r, v), distance(r, i)) <= 20 for r, v, i in pairs]))
        best = [max(iou(r, v), iou(r, i)) for r, v, i in pairs]
        area.append(mean([mean([value > limit for value in best]) for limit in GRID]))
    return {"MPR": mean(near), "MSR": mean(area)}


def twin_rgbt210(results, truth):
    near, area = [], []
    for name, rows in results.items():
        rows = [truth[name][0], *rows[1:]]
        pairs = list(zip(rows, truth[name], strict=True))
        near.append(mean([distance(r, t) <= 20 for r, t in pairs]))
        area.append(mean([mean([iou(r, t) > limit for r, t in pairs]) for limit in GRID]))
    return {"PR": mean(near), "SR": mean(area)}


def twin_lasher(results, truth):
    near, normal, area = [], [], []
    for name, rows in results.items():
        rows = [list(row) for row in rows][: len(truth[name])]
        for i in range(1, len(rows)):
            if any(math.isnan(v) for v in rows[i]) or rows[i][2] <= 0 or rows[i][3] <= 0:
                rows[i] = rows[i - 1]
        rows[0] = truth[name][0]
        hits, normal_hits, successes = 0, 0, [0] * 21
        for row, box in zip(rows, truth[name], strict=True):
            if min(box) <= 0:
                hits, normal_hits = hits + 1, normal_hits + 1
                continue
            hits += distance(row, box, minus=1) <= 20
            normal_hits += distance(row, box, box[2], box[3], minus=1) <= 0.2
            for index, limit in enumerate(GRID):
                successes[index] += iou(row, box) > limit
        frames = len(truth[name])
        near.append(hits / frames)
        normal.append(normal_hits / frames)
        area.append(mean([count / frames for count in successes]))
    return {"PR": mean(near), "NPR": mean(normal), "SR": mean(area)}


def twin_pytracking(results, truth):
    near, normal, area = [], [], []
    for name, rows in results.items():
        rows = [list(row) for row in rows][: len(truth[name])]
        for i in range(1, len(rows)):
            if rows[i][2] == 0 or rows[i][3] == 0:
                rows[i] = rows[i - 1]
        rows[0] = truth[name][0]
        hits, normal_hits, successes = 0, 0, [0] * 21
        for row, box in zip(rows, truth[name], strict=True):
            if box[2] <= 0 or box[3] <= 0:
                normal_hits += 1
                continue
            hits += distance(row, box, minus=1) <= 20
            normal_hits += distance(row, box, box[2], box[3], minus=1) <= 0.2
            for index in range(21):
                successes[index] += iou(row, box) > index * 0.05
        frames = len(truth[name])
        near.append(hits / frames)
        normal.append(normal_hits / frames)
        area.append(mean([count / frames for count in successes]))
    return {"PR": mean(near), "NPR": mean(normal), "SR": mean(area)}


def twin_pysot(results, truth):
    near, normal, area = [], [], []
    for name, rows in results.items():
        hits, normal_hits, successes = 0, 0, [0] * 21
        for row, box in zip(rows, truth[name], strict=True):
            w, h = box[2] + 1e-16, box[3] + 1e-16
            cx, cy = box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2
            hits += not (cx > 0 and cy > 0) or distance(row, box, minus=1) <= 20
            normal_hits += (
                not (cx / w > 0 and cy / h > 0) or distance(row, box, w, h, minus=1) <= 0.2
            )
            if box[2] > 0 and box[3] > 0:
                for index in range(21):
                    successes[index] += iou(row, box) > index * 0.05
        frames = len(truth[name])
        near.append(hits / frames)
        normal.append(normal_hits / frames)
        area.append(mean([count / frames for count in successes]))
    return {"PR": mean(near), "NPR": mean(normal), "SR": mean(area)}


def twin_generic(results, truth):
    per_sequence = []
    for name, rows in results.items():
        rows = [list(row) for row in rows]
        for i in range(1, len(rows)):
            if any(math.isnan(v) for v in rows[i]) or rows[i][2] <= 0 or rows[i][3] <= 0:
                rows[i] = rows[i - 1]
        pairs = list(zip(rows, truth[name], strict=True))[1:]
        pairs = [(r, t) for r, t in pairs if not math.isnan(t[0]) and t[2] > 0 and t[3] > 0]
        overlaps = [iou(r, t) for r, t in pairs]
        per_sequence.append(
            (
                mean(overlaps),
                mean([value > 0.5 for value in overlaps]),
                mean([mean([value > limit for value in overlaps]) for limit in GRID]),
                mean([distance(r, t) <= 20 for r, t in pairs]),
                mean([distance(r, t, t[2], t[3]) <= 0.2 for r, t in pairs]),
            )
        )
    means = [mean(column) for column in zip(*per_sequence, strict=True)]
    return dict(zip(("AO", "SR50", "SR", "PR", "NPR"), means, strict=True))


# --- data: whole pixels, so that ties really occur, and every oddity the rules speak of


def walk(rng, count):
    steps = rng.integers(-4, 5, (count, 4)).cumsum(0)
    boxes = np.array([60, 50, 24, 30]) + steps
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 2)
    return boxes.astype(float)


def wander(rng, truth):
    noise = rng.integers(-14, 15, truth.shape) * (rng.random((len(truth), 1)) < 0.7)
    result = truth + noise
    result[:, 2:] = np.maximum(result[:, 2:], 1)
    return result


def corners(boxes):
    x, y, w, h = boxes.T
    return np.stack([x, y, x + w, y, x + w, y + h, x, y + h], axis=1)


def single(seed, odd=True):
    rng = np.random.default_rng(seed)
    results, truth = {}, {}
    for name, count in (("a`b", 40), ("c'd", 25), ("e", 60)):
        boxes = walk(rng, count)
        if odd:
            boxes[5] = 0
            boxes[6] = (0, 12, 20, 20)
            boxes[7] = (30, -3, 20, 20)
            boxes[8] = (30, 40, 0, 20)
        truth[name] = boxes
        results[name] = wander(rng, boxes)
    return results, truth


def double(seed, xyxy=False):
    results, visible = single(seed, odd=False)
    rng = np.random.default_rng(seed + 100)
    truth = {}
    for name, boxes in visible.items():
        other = boxes + rng.integers(-3, 4, boxes.shape)
        other[:, 2:] = np.maximum(other[:, 2:], 1)
        pair = [boxes, other]
        if xyxy:
            pair = [np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1) for b in pair]
        truth[name] = {"visible": pair[0], "infrared": pair[1]}
    return results, truth


def same(scores, expected):
    assert list(scores) == list(expected)
    assert scores == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("columns", [4, 8])
def test_gtot_equals_its_twin(seed, columns):
    results, truth = double(seed, xyxy=True)
    if columns == 8:
        results = {name: corners(rows + 0.3) - 0.8 for name, rows in results.items()}
    same(score_results("gtot", results, truth), twin_gtot(results, truth))


@pytest.mark.parametrize("seed", range(4))
def test_rgbt234_equals_its_twin(seed):
    results, truth = double(seed)
    expected = twin_rgbt234(results, truth)
    same(score_results("rgbt234", results, truth), expected)
    as_corners = {name: corners(rows) for name, rows in results.items()}
    same(score_results("rgbt234", as_corners, truth), expected)


@pytest.mark.parametrize("seed", range(4))
def test_rgbt210_equals_its_twin(seed):
    results, truth = single(seed, odd=False)
    results["e"][0] = 500
    same(score_results("rgbt210", results, truth), twin_rgbt210(results, truth))


@pytest.mark.filterwarnings("ignore:.*(took the row before|cut to)")
@pytest.mark.parametrize("seed", range(4))
def test_lasher_equals_its_twin(seed):
    results, truth = single(seed)
    results["e"][[3, 4, 20]] = np.nan
    results["e"][9:12, 2] = 0
    results["c'd"][1, 3] = -5
    results["c'd"][0] = 500
    results["a`b"] = np.concatenate([results["a`b"], results["a`b"][-1:]])
    same(score_results("lasher", results, truth), twin_lasher(results, truth))


@pytest.mark.filterwarnings("ignore:.*(took the row before|cut to)")
@pytest.mark.parametrize("seed", range(4))
def test_pytracking_equals_its_twin(seed):
    results, truth = single(seed)
    results["e"][9:12, 2] = 0
    results["e"][0] = 500
    results["a`b"] = np.concatenate([results["a`b"], results["a`b"][-1:]])
    scores = score_results("lasher", results, truth, rules="pytracking")
    same(scores, twin_pytracking(results, truth))


@pytest.mark.parametrize("seed", range(4))
def test_pysot_equals_its_twin(seed):
    results, truth = single(seed)
    results["e"][9:12, 2] = 0
    same(score_results("lasher", results, truth, rules="pysot"), twin_pysot(results, truth))


@pytest.mark.filterwarnings("ignore:.*took the row before")
@pytest.mark.parametrize("seed", range(4))
def test_generic_equals_its_twin(seed):
    results, truth = single(seed)
    truth["c'd"][4:9] = np.nan
    results["e"][9:12] = np.nan
    scores = score_tracker(find_rules("plain"), results, truth).overall
    same(scores, twin_generic(results, truth))


def test_a_repaired_row_is_told_by_its_number():
    results, truth = single(0)
    results["e"][[5, 9]] = np.nan
    with pytest.warns(UserWarning, match="e: 2 rows without a valid box .* row 6 the first"):
        score_results("lasher", results, truth)


def test_vtuav_is_rgbt234_on_the_labelled_frames():
    results, truth = double(0)
    sparse = {name: {k: v.copy() for k, v in pair.items()} for name, pair in truth.items()}
    for pair in sparse.values():
        for boxes in pair.values():
            boxes[np.arange(len(boxes)) % 10 != 0] = np.nan
    tenth = {name: rows[::10] for name, rows in results.items()}
    tenth_truth = {n: {k: v[::10] for k, v in pair.items()} for n, pair in truth.items()}
    same(score_results("vtuav", results, sparse), twin_rgbt234(tenth, tenth_truth))


# --- the ground truth itself as tracker


def test_perfect_tracker_on_gtot():
    _, truth = double(1, xyxy=True)
    results = {}
    for name, pair in truth.items():
        boxes = pair["infrared"]
        results[name] = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    same(score_results("gtot", results, truth), {"PR": 1.0, "SR": 0.99})


@pytest.mark.parametrize("benchmark", ["rgbt210", "rgbt234"])
def test_perfect_tracker_fails_only_at_overlap_1(benchmark):
    rng = np.random.default_rng(0)
    truth = {name: rng.uniform(0.1, 90, (30, 4)) for name in "abc"}
    scores = score_results(benchmark, truth, truth)
    assert list(scores.values()) == pytest.approx([1, 20 / 21], abs=1e-12)


@pytest.mark.filterwarnings("ignore:.*took the row before")
def test_perfect_tracker_on_lasher_with_invalid_ground_truth():
    truth = {"a": np.full((100, 4), 20.0), "b": np.full((50, 4), 20.0)}
    truth["a"][10] = 0  # absent
    truth["a"][11] = (0, 20, 20, 20)  # an ordinary box that touches the left edge
    truth["b"][12:22, 1] = -1
    scores = score_results("lasher", truth, truth)
    success = (98 / 100 + 40 / 50) / 2 * 20 / 21
    same(scores, {"PR": 1.0, "NPR": 1.0, "SR": success})


def test_lasher_shape_of_the_published_perfect_score():
    """1,260 of 220,703 frames invalid, spread evenly: SR = 20/21 of the valid share."""
    truth = {"all": np.full((220_703, 4), 9.0)}
    truth["all"][1:1261] = (0, 9, 9, 9)
    scores = score_results("lasher", truth, truth)
    assert scores["SR"] == pytest.approx((220_703 - 1_260) / 220_703 * 20 / 21, abs=1e-12)
    # The release's own distribution over sequences gives 0.947078.
    assert scores["SR"] == pytest.approx(0.947078, abs=2e-4)


def test_an_empty_prediction_never_succeeds():
    truth = {"a": np.array([[0.0, 0, 0, 0], [5, 5, 0, 0], [5, 5, 4, 4]])}
    scores = score_results("rgbt210", {"a": np.zeros((3, 4))}, truth)
    assert scores["SR"] == 0


# --- by hand


def test_gtot_rounds_corners_away_from_zero_and_nothing_else():
    truth = {"a": np.array([[0.0, 0, 10, 10]])}
    plain = np.array([[4.9, 0, 10, 10]])  # centre 4.9 away: a hit
    assert score_results("gtot", {"a": plain}, truth)["PR"] == 1
    # As corners the same box is rounded to x = 5: 5 away, which is no hit.
    assert score_results("gtot", {"a": corners(plain)}, truth)["PR"] == 0
    # Halves go away from zero: -4.5 becomes -5.
    left = np.array([[-4.5, 0, 10, 10]])
    assert score_results("gtot", {"a": left}, truth)["PR"] == 1
    assert score_results("gtot", {"a": corners(left)}, truth)["PR"] == 0


def test_gtot_pools_frames_and_rgbt234_averages_sequences():
    good, bad = np.full((90, 4), 10.0), np.full((10, 4), 500.0)
    xyxy = {
        "long": np.tile([10.0, 10, 20, 20], (90, 1)),
        "short": np.tile([10.0, 10, 20, 20], (10, 1)),
    }
    results = {"long": good, "short": bad}
    assert score_results("gtot", results, xyxy)["PR"] == pytest.approx(0.9)
    xywh = {"long": good, "short": np.full((10, 4), 10.0)}
    assert score_results("rgbt234", results, xywh)["MPR"] == pytest.approx(0.5)


def test_the_better_modality_is_chosen_frame_by_frame_and_for_each_measure():
    box, far = [10.0, 10, 20, 20], [300.0, 300, 20, 20]
    truth = {"a": {"visible": [box, far], "infrared": [far, box]}}
    same(score_results("rgbt234", {"a": [box, box]}, truth), {"MPR": 1.0, "MSR": 20 / 21})


def test_distance_limits_are_inclusive_but_for_gtot():
    truth = np.array([[10.0, 10, 20, 20]] * 2)
    moved = truth + np.array([20, 0, 0, 0])
    assert score_results("rgbt234", {"a": moved}, {"a": truth})["MPR"] == 1
    moved = truth + np.array([5, 0, 0, 0])
    xyxy = truth + np.array([0, 0, 10, 10])
    assert score_results("gtot", {"a": moved}, {"a": xyxy})["PR"] == 0


def test_the_first_frame_counts_as_the_rules_say():
    truth = {"a": np.full((4, 4), 10.0)}
    results = {"a": np.full((4, 4), 10.0)}
    results["a"][0] = 500
    assert score_results("rgbt234", results, truth)["MPR"] == 0.75
    assert score_results("rgbt210", results, truth)["PR"] == 1
    assert score_results("lasher", results, truth)["PR"] == 1
    assert score_results("lasher", results, truth, rules="pysot")["PR"] == 0.75
    assert score_results("lasher", results, truth, rules="pytracking")["PR"] == 1


def test_normalised_precision_is_the_value_at_a_fifth_of_the_sides():
    truth = {"a": np.array([[10.0, 10, 40, 10]] * 4)}
    moves = np.array([[0, 0], [8, 0], [9, 0], [0, 3]])  # 0, 0.2, 0.225 and 0.3 of the sides
    results = {"a": truth["a"] + np.concatenate([moves, np.zeros((4, 2))], axis=1)}
    assert score_results("lasher", results, truth)["NPR"] == 0.5


def test_invalid_ground_truth_separates_the_rule_sets():
    truth = {"a": np.full((10, 4), 10.0)}
    truth["a"][1] = 0  # absent
    truth["a"][2] = (0, 10, 10, 10)  # touches the edge
    results = {"a": np.full((10, 4), 10.0)}
    results["a"][1:3] = (300, 300, 10, 10)
    results["a"][3] = (300, 300, 10, 10)
    official = score_results("lasher", results, truth)
    pysot = score_results("lasher", results, truth, rules="pysot")
    pytracking = score_results("lasher", results, truth, rules="pytracking")
    assert [official["PR"], pysot["PR"], pytracking["PR"]] == [0.9, 0.8, 0.7]
    assert [official["NPR"], pysot["NPR"], pytracking["NPR"]] == [0.9, 0.8, 0.8]
    # A tracker that is right on the edge box is paid for it by all but the official rules.
    results["a"][2] = truth["a"][2]
    official = score_results("lasher", results, truth)
    pytracking = score_results("lasher", results, truth, rules="pytracking")
    assert official["SR"] == pytest.approx(0.7 * 20 / 21)
    assert pytracking["SR"] == pytest.approx(0.8 * 20 / 21)


def test_pysot_and_pytracking_use_the_visible_ground_truth_of_two():
    results, truth = double(2)
    visible = {name: pair["visible"] for name, pair in truth.items()}
    scores = score_results("rgbt234", results, truth, rules="pysot")
    same(scores, twin_pysot(results, visible))
    results, truth = double(2, xyxy=True)
    scores = score_results("gtot", results, truth, rules="pytracking")
    same(scores, twin_pytracking(results, visible))


# --- properties


@pytest.mark.filterwarnings("ignore:.*took the row before")
@pytest.mark.parametrize("rules", ["official", "pysot", "pytracking", "generic"])
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_scores_are_shares_and_inputs_stay(benchmark, rules):
    results, truth = single(7, odd=False)
    if benchmark == "gtot":
        truth = {name: np.concatenate([b[:, :2], b[:, :2] + 30], 1) for name, b in truth.items()}
    before = {name: rows.copy() for name, rows in results.items()}
    kept_truth = {name: rows.copy() for name, rows in truth.items()}
    scores = score_results(benchmark, results, truth, rules=rules)
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in scores.values())
    for name in results:
        assert np.array_equal(results[name], before[name])
        assert np.array_equal(truth[name], kept_truth[name])


def test_order_of_sequences_does_not_matter():
    results, truth = single(3, odd=False)
    backwards = {name: results[name] for name in reversed(results)}
    assert score_results("lasher", backwards, truth) == score_results("lasher", results, truth)


def test_attributes_and_sequences_are_scored_like_the_whole():
    results, truth = single(4, odd=False)
    scores = score_tracker(
        find_rules("lasher"), results, truth, {"a`b": ["low light"], "e": ["low light", "rain"]}
    )
    part = {name: results[name] for name in ("a`b", "e")}
    part_truth = {name: truth[name] for name in ("a`b", "e")}
    assert scores.attributes["low light"] == score_results("lasher", part, part_truth)
    assert scores.attributes["rain"] == scores.sequences["e"]
    assert scores.attribute_sizes == {"low light": 2, "rain": 1}
    assert scores.frames == 125


def test_gtot_attributes_pool_their_frames():
    results, truth = double(4, xyxy=True)
    part = {name: results[name] for name in ("a`b", "e")}
    part_truth = {name: truth[name] for name in ("a`b", "e")}
    scores = score_tracker(
        find_rules("gtot"), results, truth, {"a`b": ["occlusion"], "e": ["occlusion"]}
    )
    assert scores.attributes["occlusion"] == score_results("gtot", part, part_truth)


def test_curves_hold_the_scores():
    results, truth = single(5, odd=False)
    scores = score_tracker(find_rules("lasher"), results, truth)
    assert scores.curves.precision[20] == pytest.approx(scores.overall["PR"])
    assert scores.curves.normalized[20] == pytest.approx(scores.overall["NPR"])
    assert scores.curves.success.mean() == pytest.approx(scores.overall["SR"])
    assert (np.diff(scores.curves.success) <= 0).all()
    assert (np.diff(scores.curves.precision) >= 0).all()
