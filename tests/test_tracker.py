"""The tracking loop on an engine that sees exactly (stub_network): geometry, state, modalities."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from stub_network import disc_frame, disc_tracker

from rgbt_track.boxes import iou_xywh, xywh_to_cxcywh
from rgbt_track.crops import CropRegion
from rgbt_track.models.engines.interface import BranchResponse
from rgbt_track.tracking.state import TrackState

RADIUS = 20.0


def disc_box(x: float, y: float, radius: float = RADIUS) -> list[float]:
    return [x - radius, y - radius, 2 * radius, 2 * radius]


def path(frames: int = 40) -> list[tuple[float, float]]:
    return [(100 + 2.7 * t, 120 + 30 * np.sin(t / 6)) for t in range(frames)]


def follow(tracker, frames, first_box):
    state = tracker.init(*frames[0], first_box)
    states = [state]
    for rgb, tir in frames[1:]:
        state = tracker.update(rgb, tir, state)
        states.append(state)
    return states


def test_follows_without_drift() -> None:
    """An exact network must give exact boxes: any half pixel would be the tracker's own."""
    frames = [(disc_frame(x, y, RADIUS),) * 2 for x, y in path()]
    states = follow(disc_tracker(), frames, disc_box(*path()[0]))
    errors = [
        np.array(state.box[:2] + state.box[2:] / 2) - (x, y)
        for state, (x, y) in zip(states, path(), strict=True)
    ]
    assert np.abs(errors).max() < 0.25
    assert np.abs(np.mean(errors, axis=0)).max() < 0.05


def test_a_still_target_stays_where_it_is() -> None:
    frames = [(disc_frame(150.3, 97.8, RADIUS),) * 2] * 60
    states = follow(disc_tracker(), frames, disc_box(150.3, 97.8))
    assert iou_xywh(states[-1].box, disc_box(150.3, 97.8)) > 0.97


def test_follows_a_growing_target() -> None:
    radii = np.linspace(15, 40, 40)
    frames = [(disc_frame(160, 120, radius),) * 2 for radius in radii]
    states = follow(disc_tracker(), frames, disc_box(160, 120, 15))
    assert iou_xywh(states[-1].box, disc_box(160, 120, 40)) > 0.85


def test_state_is_a_value() -> None:
    tracker = disc_tracker(template_update_every=2)
    frames = [(disc_frame(x, y, RADIUS),) * 2 for x, y in path(8)]
    state = tracker.init(*frames[0], disc_box(*path()[0]))
    before = copy.deepcopy(state)
    one, again = tracker.update(*frames[1], state), tracker.update(*frames[1], state)
    np.testing.assert_array_equal(one.box, again.box)
    np.testing.assert_array_equal(state.box, before.box)
    assert (state.frame, state.center, state.size) == (before.frame, before.center, before.size)


def test_many_targets_are_found_as_each_alone() -> None:
    """Lost and found again by the wider search, without a template, and with template updates."""
    settings = {"wide_search_size": 511, "template_update_every": 3, "score_scale": 0.7}
    tracker = disc_tracker(**settings)
    starts = [path(1)[0], (230.0, 60.0), (60.0, 200.0)]
    frames = [
        (disc_frame(x + 90 * (t == 4), y, RADIUS), disc_frame(x, y, RADIUS))
        for t, (x, y) in enumerate(path(8))
    ]
    frames[2] = (frames[2][0], None)
    frames[5] = (np.zeros_like(frames[5][0]), None)
    states = [tracker.init(*frames[0], disc_box(*start)) for start in starts]
    states.append(tracker.init(None, frames[0][1], disc_box(*starts[0])))
    alone = list(states)
    for rgb, tir in frames[1:]:
        states = tracker.update_many(rgb, tir, states)
        alone = [tracker.update(rgb, tir, state) for state in alone]
        for one, other in zip(states, alone, strict=True):
            np.testing.assert_array_equal(one.box, other.box)
            assert (one.score, one.modalities, one.confidence, one.frame) == (
                other.score, other.modalities, other.confidence, other.frame,
            )  # fmt: skip
    assert tracker.update_many(*frames[1], []) == []


def test_two_targets_share_one_tracker() -> None:
    tracker = disc_tracker()
    paths = path(10), [(300 - x, 240 - y) for x, y in path(10)]
    alone = [
        follow(tracker, [(disc_frame(x, y, RADIUS),) * 2 for x, y in p], disc_box(*p[0]))
        for p in paths
    ]
    states = [tracker.init(*(disc_frame(*p[0], RADIUS),) * 2, disc_box(*p[0])) for p in paths]
    for t in range(1, 10):
        states = [
            tracker.update(*(disc_frame(*p[t], RADIUS),) * 2, state)
            for p, state in zip(paths, states, strict=True)
        ]
    for state, run in zip(states, alone, strict=True):
        np.testing.assert_array_equal(state.box, run[-1].box)


def test_inputs_are_unchanged() -> None:
    rgb, tir = disc_frame(100, 120, RADIUS), disc_frame(100, 120, RADIUS)[..., 0]
    kept = rgb.copy(), tir.copy()
    tracker = disc_tracker(thermal_mean_shift=True)
    tracker.update(rgb, tir, tracker.init(rgb, tir, disc_box(100, 120)))
    np.testing.assert_array_equal(rgb, kept[0])
    np.testing.assert_array_equal(tir, kept[1])


@pytest.mark.parametrize("missing", ["rgb", "tir"])
@pytest.mark.parametrize("how", ["none", "black", "constant"])
def test_a_missing_modality_equals_the_single_one(missing: str, how: str) -> None:
    gap = {
        "none": None,
        "black": np.zeros((240, 320, 3), np.uint8),
        "constant": np.full((240, 320, 3), 99, np.uint8),
    }[how]
    discs = [disc_frame(x, y, RADIUS) for x, y in path()]
    single = [(None, frame) if missing == "rgb" else (frame, None) for frame in discs]
    gapped = [(gap, frame) if missing == "rgb" else (frame, gap) for frame in discs]
    box = disc_box(*path()[0])
    expected, states = follow(disc_tracker(), single, box), follow(disc_tracker(), gapped, box)
    for a, b in zip(expected, states, strict=True):
        np.testing.assert_array_equal(a.box, b.box)
        assert b.modalities == (("tir",) if missing == "rgb" else ("rgb",))


@pytest.mark.parametrize("empty", ["rgb", "tir"])
@pytest.mark.parametrize("decision", ["fixed", "adaptive"])
def test_tracking_continues_when_one_modality_loses_the_target(empty: str, decision: str) -> None:
    frames = []
    for t, (x, y) in enumerate(path()):
        pair = {"rgb": disc_frame(x, y, RADIUS), "tir": disc_frame(x, y, RADIUS)}
        if 10 <= t < 30:
            pair[empty] = disc_frame(-500, -500, RADIUS)
        frames.append((pair["rgb"], pair["tir"]))
    states = follow(disc_tracker(decision=decision), frames, disc_box(*path()[0]))
    overlaps = [iou_xywh(s.box, disc_box(x, y)) for s, (x, y) in zip(states, path(), strict=True)]
    assert min(overlaps) > 0.85


def test_a_modality_that_comes_late_is_taken_up() -> None:
    frames = [
        (disc_frame(x, y, RADIUS), None if t < 5 else disc_frame(x, y, RADIUS))
        for t, (x, y) in enumerate(path(20))
    ]
    tracker = disc_tracker()
    states = follow(tracker, frames, disc_box(*path()[0]))
    assert set(states[-1].confidence) == {"rgb", "tir", "fused"}
    gone = tracker.update(None, frames[-1][1], states[-1])
    assert gone.modalities == ("tir",) and gone.score > 0.9


def test_when_nothing_is_visible_the_box_stays_and_the_score_is_zero() -> None:
    tracker, black = disc_tracker(), np.zeros((240, 320, 3), np.uint8)
    state = tracker.init(*(disc_frame(100, 120, RADIUS),) * 2, disc_box(100, 120))
    lost = tracker.update(black, black, state)
    np.testing.assert_array_equal(lost.box, state.box)
    assert lost.score == 0 and lost.modalities == () and lost.frame == 1
    state = tracker.update(*(disc_frame(104, 120, RADIUS),) * 2, lost)
    assert iou_xywh(state.box, disc_box(104, 120)) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_boxes_and_scores_are_finite_and_inside_on_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracker = disc_tracker(size_lr=1.0, penalty_k=0.0)
    box = [rng.uniform(-30, 100), rng.uniform(-30, 70), rng.uniform(1, 300), rng.uniform(40, 300)]
    frames = [
        tuple(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8) for _ in range(2))
        for _ in range(15)
    ]
    for state in follow(tracker, frames, box):
        x, y, w, h = state.box
        assert np.isfinite(state.box).all() and 0 <= state.score <= 1
        assert x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 120 + 1e-6 and y + h <= 90 + 1e-6


def test_a_wider_search_of_lower_score_is_not_accepted() -> None:
    """Even where any score would do."""
    tracker = disc_tracker(wide_search_size=639, wide_search_score=0, wide_search_below=1)
    inner = tracker.engine.search

    def search(template, crops):
        wide = next(iter(crops.values())).shape[-1] > 255
        return {
            name: BranchResponse(cls - 3 * (cls > 0) * wide, loc + wide)
            for name, (cls, loc) in inner(template, crops).items()
        }

    tracker.engine.search = search  # type: ignore[method-assign]
    state = follow(tracker, JUMP[:2], JUMP_FROM)[-1]
    assert iou_xywh(state.box, JUMP_FROM) > 0.9


def test_an_unreliable_branch_is_outvoted() -> None:
    """RGB's disc is as bright as thermal's but elsewhere, on the first frame and ever after."""
    rgb, tir = disc_frame(185, 120, RADIUS), disc_frame(160, 120, RADIUS)
    for calibrated in (True, False):
        tracker = disc_tracker(calibrate_branches=calibrated)
        inner = tracker.engine.search
        tracker.engine.search = lambda template, crops, inner=inner: {  # type: ignore[method-assign]
            name: answer for name, answer in inner(template, crops).items() if name != "fused"
        }
        state = follow(tracker, [(rgb, tir)] * 8, disc_box(160, 120))[-1]
        assert iou_xywh(state.box, disc_box(160, 120)) > 0.9
        assert (state.score > 0.9) == calibrated, "otherwise the two are averaged"
        if calibrated:
            assert state.reliability["fused"] == 0, "a branch without a response overlaps by 0"


def test_the_calibration_looks_from_several_sides() -> None:
    """The target is found where it is, whatever the crop is centered on."""
    squares = []
    tracker = disc_tracker(calibrate_branches=True)
    search_region = tracker.geometry.search_region

    def recorded(state: TrackState, size: int) -> CropRegion:
        region = search_region(state, size)
        squares.append((region.left, region.top, region.side))
        return region

    tracker.geometry.search_region = recorded  # type: ignore[method-assign]
    frame = disc_frame(160, 120, RADIUS)
    tracker.init(frame, frame, disc_box(160, 120))
    assert len(squares) == 5
    for column in np.array(squares).T:
        assert np.ptp(column) > 0.1 * RADIUS


def test_every_branch_is_calibrated_on_the_first_frame() -> None:
    """A branch that finds the disc is reliable, one whose modality shows none is not."""
    disc, empty = disc_frame(160, 120, RADIUS), disc_frame(-99, 0, 5)
    tracker = disc_tracker(calibrate_branches=True)
    reliability = tracker.init(empty, disc, disc_box(160, 120)).reliability
    assert reliability["tir"] > 0.9 and reliability["fused"] > 0.9 and reliability["rgb"] < 0.6
    assert set(tracker.init(None, disc, disc_box(160, 120)).reliability) == {"tir"}
    assert disc_tracker().init(empty, disc, disc_box(160, 120)).reliability == {}


def test_a_modality_that_comes_late_is_calibrated_when_it_comes() -> None:
    disc = disc_frame(160, 120, RADIUS)
    tracker = disc_tracker(calibrate_branches=True)
    first = tracker.init(disc, None, disc_box(160, 120))
    later = tracker.update(disc, disc, first)
    assert set(first.reliability) == {"rgb"} and set(later.reliability) == {"rgb", "tir", "fused"}
    assert later.reliability["rgb"] == later.reliability["tir"] > 0.9, "on the same frame"


JUMP = [(disc_frame(x, 120, 12),) * 2 for x in (60, 60, 150, 153)]
JUMP_FROM = disc_box(60, 120, 12)


def test_a_target_that_jumps_is_found_by_the_wider_search() -> None:
    """It is outside of the first crop, which then shows nothing, and inside of the wider one."""
    lost = follow(disc_tracker(), JUMP, JUMP_FROM)[-1]
    assert lost.score < 0.1 and abs(xywh_to_cxcywh(lost.box)[0] - 60) < 50
    wide = follow(disc_tracker(wide_search_size=639), JUMP, JUMP_FROM)
    assert wide[2].score > 0.9
    states = follow(disc_tracker(), JUMP, JUMP_FROM)
    assert wide[2].confidence == states[2].confidence, "the record is the usual crop's"
    for state, x in zip(wide[2:], (150, 153), strict=True):
        assert iou_xywh(state.box, disc_box(x, 120, 12)) > 0.8


def test_what_the_wider_search_finds_must_be_clear() -> None:
    states = follow(disc_tracker(wide_search_size=639, wide_search_score=1), JUMP[:3], JUMP_FROM)
    assert states[-1].score < 0.1 and abs(xywh_to_cxcywh(states[-1].box)[0] - 60) < 50


def test_the_wider_search_is_only_for_low_scores_and_only_where_it_scores_better() -> None:
    """Also ``confidence``, the branches' record, stays that of the usual crop."""
    tracker, plain = disc_tracker(wide_search_size=639), disc_tracker()
    sizes = []
    search = tracker.engine.search
    tracker.engine.search = lambda template, crops: (  # type: ignore[method-assign]
        sizes.append(next(iter(crops.values())).shape[-1]) or search(template, crops)
    )
    state = tracker.init(*JUMP[0], JUMP_FROM)
    state = tracker.update(*JUMP[1], state)
    assert sizes == [255]
    nothing = (disc_frame(-99, 0, 5),) * 2
    same = replace(state, tracker=plain.identity)
    missed, expected = tracker.update(*nothing, state), plain.update(*nothing, same)
    assert sizes == [255, 255, 639]
    small = [frame[90:150, 30:90] for frame in JUMP[1]]  # all of it is in the first crop already
    tracker.update(*(frame // 8 for frame in small), tracker.init(*small, [18, 18, 24, 24]))
    assert sizes == [255, 255, 639, 255]
    assert missed.box.tolist() == expected.box.tolist() and missed.confidence == expected.confidence


def test_a_target_that_leaves_the_frame_is_kept_at_its_border() -> None:
    frames = [(disc_frame(280 + 6 * t, 120, RADIUS),) * 2 for t in range(20)]
    for state in follow(disc_tracker(), frames, disc_box(280, 120)):
        assert state.box[0] + state.box[2] <= 320 + 1e-6


def test_sixteen_bit_and_half_size_thermal() -> None:
    frames = []
    for x, y in path(10):
        tir = disc_frame(x / 2, y / 2, RADIUS / 2, 160, 120)[..., 0].astype(np.uint16) * 7 + 28000
        frames.append((disc_frame(x, y, RADIUS), tir))
    states = follow(disc_tracker(), frames, disc_box(*path()[0]))
    assert iou_xywh(states[-1].box, disc_box(*path()[9])) > 0.9


def test_template_update_blends_with_the_first_template() -> None:
    tracker = disc_tracker(template_update_every=3, template_update_rate=0.25)
    frames = [(disc_frame(160, 120, RADIUS + 2 * t),) * 2 for t in range(4)]
    states = follow(tracker, frames, disc_box(160, 120))
    first = states[0].first_template["rgb"]
    assert states[2].template is states[0].template
    assert states[3].first_template is states[0].first_template
    blended = states[3].template["rgb"]
    assert not np.array_equal(blended, first)
    assert np.abs(blended - first).max() < 0.25 * 255


def test_a_frame_of_low_score_does_not_update_the_template() -> None:
    """The frame without the disc is no target's appearance, nor shows it a late modality's."""
    disc, empty = disc_frame(160, 120, RADIUS), disc_frame(-99, 0, 5)
    tracker = disc_tracker(template_update_every=1, template_update_score=0.5)
    first = tracker.init(disc, disc, disc_box(160, 120))
    lost = tracker.update(empty, empty, first)
    assert lost.score < 0.5 and lost.template is first.template
    assert tracker.update(disc, disc, lost).template is not first.template
    alone = tracker.init(disc, None, disc_box(160, 120))
    assert set(tracker.update(empty, empty, alone).template) == {"rgb"}
    assert set(tracker.update(disc, disc, alone).template) == {"rgb", "tir", "fused"}


def test_a_template_update_takes_its_rate_of_the_present_appearance() -> None:
    tracker, features = disc_tracker(template_update_every=1, template_update_rate=0.25), []
    inner = tracker.engine.template
    tracker.engine.template = lambda crops, target: (  # type: ignore[method-assign]
        features.append(inner(crops)) or features[-1]
    )
    frames = [(disc_frame(160, 120, radius),) * 2 for radius in (RADIUS, RADIUS + 6)]
    state = follow(tracker, frames, disc_box(160, 120))[-1]
    first, present = (feature["rgb"] for feature in features)
    assert np.abs(present - first).max() > 1
    np.testing.assert_allclose(state.template["rgb"], 0.75 * first + 0.25 * present, rtol=1e-6)


@pytest.mark.parametrize("source", ["first", "last"])
def test_a_second_update_blends_with_the_first_template_or_with_the_last(source: str) -> None:
    settings = {"template_update_rate": 0.25, "template_update_from": source}
    tracker, features = disc_tracker(template_update_every=1, **settings), []
    inner = tracker.engine.template
    tracker.engine.template = lambda crops, target: (  # type: ignore[method-assign]
        features.append(inner(crops)) or features[-1]
    )
    frames = [(disc_frame(160, 120, RADIUS + 6 * t),) * 2 for t in range(3)]
    state = follow(tracker, frames, disc_box(160, 120))[-1]
    first, second, third = (feature["rgb"] for feature in features)
    weights = {"first": (0.75, 0, 0.25), "last": (0.75**2, 0.75 * 0.25, 0.25)}[source]
    expected = weights[0] * first + weights[1] * second + weights[2] * third
    np.testing.assert_allclose(state.template["rgb"], expected, rtol=1e-6)


def test_thermal_mean_shift_changes_only_the_thermal_crop() -> None:
    crops = []
    for shift in (False, True):
        tracker = disc_tracker(thermal_mean_shift=shift)
        inner = tracker.engine.template
        tracker.engine.template = lambda pair, _, inner=inner: crops.append(pair) or inner(pair)
        tracker.init(
            disc_frame(100, 120, RADIUS), disc_frame(100, 120, RADIUS) // 2, disc_box(100, 120)
        )
    plain, shifted = crops
    np.testing.assert_array_equal(shifted["rgb"], plain["rgb"])
    assert shifted["tir"].mean() == pytest.approx(shifted["rgb"].mean(), abs=1e-3)
    assert plain["tir"].mean() < 0.6 * plain["rgb"].mean()


def test_boxes_stay_in_the_first_frames_pixels() -> None:
    """Half-size thermal frames alone, or visible ones of another resolution, change no units."""
    tracker = disc_tracker()
    rgb, tir = disc_frame(200, 120, RADIUS), disc_frame(100, 60, RADIUS / 2, 160, 120)
    state = tracker.init(rgb, tir, disc_box(200, 120))
    large = disc_frame(400, 240, 2 * RADIUS, 640, 480)
    for pair in ((None, tir), (large, tir), (large, None)):
        later = tracker.update(*pair, state)
        assert iou_xywh(later.box, disc_box(200, 120)) > 0.9
    with pytest.raises(ValueError, match="visible frame of 320x320 pixels does not fit the first"):
        tracker.update(disc_frame(200, 120, RADIUS, 320, 320), None, state)


def test_no_frame_at_all_keeps_the_box() -> None:
    tracker = disc_tracker()
    state = tracker.init(*(disc_frame(100, 120, RADIUS),) * 2, disc_box(100, 120))
    lost = tracker.update(None, None, state)
    np.testing.assert_array_equal(lost.box, state.box)
    assert (lost.score, lost.modalities, lost.frame) == (0, (), 1)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((-1e6, -1e6, 2e6, 2e6), (0, 0, 320, 240)),
        ((-1e308, 100, 1.7e308, 40), (0, 100, 320, 40)),
        ((-300, 100, 340, 40), (0, 100, 40, 40)),
    ],
)
def test_a_box_far_beyond_the_frame_starts_with_what_is_inside(
    box: tuple[float, ...], inside: tuple[float, ...]
) -> None:
    state = disc_tracker().init(disc_frame(20, 120, RADIUS), None, box)
    np.testing.assert_allclose(state.box, inside)
    np.testing.assert_allclose((*state.center, *state.size), xywh_to_cxcywh(inside))


def test_a_branch_that_overflows_is_left_out() -> None:
    tracker, frame = disc_tracker(), disc_frame(100, 120, RADIUS)
    state = tracker.init(frame, frame, disc_box(100, 120))
    inner = tracker.engine.search

    def search(broken: set[str], *arguments: object) -> dict[str, BranchResponse]:
        return {
            name: BranchResponse(cls * float("nan") if name in broken else cls, loc)
            for name, (cls, loc) in inner(*arguments).items()
        }

    tracker.engine.search = partial(search, {"rgb", "fused"})
    later = tracker.update(frame, frame, state)
    assert set(later.confidence) == {"tir"} and iou_xywh(later.box, disc_box(100, 120)) > 0.9
    tracker.engine.search = partial(search, {"rgb", "tir", "fused"})
    lost = tracker.update(frame, frame, state)
    np.testing.assert_array_equal(lost.box, state.box)
    assert lost.score == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_branch_whose_offsets_overflow_is_left_out(value: float) -> None:
    tracker, frame = disc_tracker(), disc_frame(100, 120, RADIUS)
    state = tracker.init(frame, frame, disc_box(100, 120))
    inner = tracker.engine.search

    def search(*arguments: object) -> dict[str, BranchResponse]:
        answers = inner(*arguments)
        cls, loc = answers["rgb"]
        loc[0, 0, 0, 0] = value  # one cell is enough
        return {**answers, "rgb": BranchResponse(cls, loc)}

    tracker.engine.search = search
    later = tracker.update(frame, frame, state)
    assert (
        set(later.confidence) == {"tir", "fused"} and iou_xywh(later.box, disc_box(100, 120)) > 0.9
    )


@pytest.mark.parametrize("radius", [4.05, 4.1, 4.12])
def test_the_way_back_is_by_the_square_that_was_really_cut(radius: float) -> None:
    """Its side is whole pixels: 32.53 became 33, and a box must not be mapped back by 32.53."""
    tracker = disc_tracker(size_lr=1.0, penalty_k=0.0)
    frame = disc_frame(150.3, 120.2, radius)
    state = tracker.init(frame, None, disc_box(150.3, 120.2, radius))
    size = 17
    cls = np.zeros((2, 1, size, size), np.float32)
    cls[1, 0, size // 2, size // 2] = 60  # the anchor of 64 pixels in the crop's middle
    loc = np.zeros((4, 1, size, size), np.float32)
    loc[0], loc[1] = 1.0, -0.5
    tracker.engine.search = lambda template, crops: {"rgb": BranchResponse(cls, loc)}
    exact = 255 / 127 * 2 * (2 * radius)  # the context of a square is its own side again
    side = round(exact)
    assert abs(side - exact) > 0.05
    middle = [np.floor(c - side / 2 + 0.5) + side / 2 for c in (150.3, 120.2)]
    result = xywh_to_cxcywh(tracker.update(frame, None, state).box)
    expected = [middle[0] + 64 * side / 255, middle[1] - 32 * side / 255, *[64 * side / 255] * 2]
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("sizes", [{"search_size": 256}, {"template_size": 120}])
def test_crops_off_the_grid_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="leaves the features off center"):
        disc_tracker(**sizes)


def test_a_state_prints_without_its_templates() -> None:
    state = disc_tracker().init(disc_frame(100, 120, RADIUS), None, disc_box(100, 120))
    assert "template" not in repr(state) and "score=1.0" in repr(state)


def test_a_state_of_another_tracker_is_refused() -> None:
    frame, box = disc_frame(150, 98, RADIUS), disc_box(150, 98)
    tracker, other = disc_tracker(), disc_tracker(size_lr=0.5)
    state = tracker.init(frame, frame, box)
    again = disc_tracker(threads=1).update(frame, frame, state)
    np.testing.assert_array_equal(again.box, tracker.update(frame, frame, state).box)
    assert again.tracker == tracker.identity != other.identity
    with pytest.raises(ValueError, match=r"^the state is of another tracker, disc [0-9a-f]+, and"):
        other.update(frame, frame, state)
    with pytest.raises(ValueError, match="the state is of type NoneType; expected what init or"):
        tracker.update_many(frame, frame, [state, None])  # type: ignore[list-item]
