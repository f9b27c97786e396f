"""Synthetic scenes: the same seed gives the same bytes, and the box is where the target is."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from rgbt_track.data import open_dataset
from rgbt_track.synthetic.challenges import (
    CHALLENGES,
    CLEAN_FRAMES,
    Schedule,
    episodes,
    random_path,
)
from rgbt_track.synthetic.compositing import Placement, composite_pose, pose_box
from rgbt_track.synthetic.dataset import scene_frames, sequence_names, synthesize_sequences
from rgbt_track.synthetic.scene import Scene
from rgbt_track.synthetic.sprites import SPRITES, draw_sprite

SMALL = (160, 120)


def scene(challenge, seed=0, frames=30, size=SMALL, **options):
    return list(scene_frames(seed, frames, size, challenge, **options))


def extent(mask):
    rows, columns = np.nonzero(mask)
    left, top = columns.min(), rows.min()
    return np.array([left, top, columns.max() + 1 - left, rows.max() + 1 - top])


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_boxes_and_masks_agree_and_lie_in_the_image(challenge):
    for frame in scene(challenge, seed=3):
        assert frame.rgb.shape == (120, 160, 3) and frame.tir.shape == (120, 160)
        assert frame.rgb.dtype == frame.tir.dtype == np.uint8
        x, y, w, h = frame.box
        assert np.isfinite(frame.box).all() and w > 2 and h > 2
        assert x >= 0 and y >= 0 and x + w <= 160 and y + h <= 120
        if frame.mask.any():
            left, top, wide, high = extent(frame.mask)
            assert left >= x - 1 and top >= y - 1
            assert left + wide <= x + w + 1 and top + high <= y + h + 1


@pytest.mark.parametrize("target", SPRITES)
def test_the_box_is_tight_around_an_unoccluded_target(target):
    for frame in scene("day", seed=5, frames=12, target=target):
        np.testing.assert_allclose(extent(frame.mask), frame.box, atol=1.6)


@pytest.mark.parametrize("seed", range(6))
def test_the_box_of_a_pose_is_the_extent_of_what_was_drawn(seed):
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(SPRITES)))
    pose = draw_sprite(kind, rng, 60)[int(rng.integers(12))]
    place = Placement(rng.uniform(50, 70, 2) + 20, rng.uniform(20, 60), bool(seed % 2))
    rgb, tir = np.zeros((140, 180, 3), np.uint8), np.zeros((140, 180), np.uint8)
    alpha = composite_pose(pose, place, rgb, tir, 60, 200)
    assert rgb[alpha == 0].max() == tir[alpha == 0].max() == 0
    np.testing.assert_allclose(extent(alpha >= 128), pose_box(pose, place, 180, 140), atol=1.2)


def test_what_is_half_outside_gets_the_box_of_its_visible_half():
    pose = draw_sprite("car", np.random.default_rng(0), 40)[0]
    box = pose_box(pose, Placement(np.array([0.0, 50.0]), 40.0, False), 100, 100)
    whole = pose_box(pose, Placement(np.array([50.0, 50.0]), 40.0, False), 100, 100)
    assert box[0] == 0 and 0.4 < box[2] / whole[2] < 0.6
    outside = Placement(np.array([-300.0, 50.0]), 40.0, False)
    blank = np.zeros((100, 100, 3), np.uint8)
    assert not composite_pose(pose, outside, blank, blank[..., 0].copy(), 0, 255).any()
    assert pose_box(pose, outside, 100, 100)[2] == 0


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_the_smallest_image_and_the_shortest_sequence(challenge):
    (frame,) = scene(challenge, frames=1, size=(64, 64))
    assert frame.mask.any() and frame.attributes == ()
    assert len(scene(challenge, frames=3, size=(64, 64))) == 3


def test_equal_seeds_give_equal_frames_and_others_do_not():
    one, same, other = (scene("mixed", seed, frames=8) for seed in (1, 1, 2))
    for a, b in zip(one, same, strict=True):
        assert np.array_equal(a.rgb, b.rgb) and np.array_equal(a.tir, b.tir)
        assert np.array_equal(a.box, b.box) and a.attributes == b.attributes
    assert not np.array_equal(one[0].rgb, other[0].rgb)


def target_contrast(frame, image):
    """Absolute difference of mean gray level between the target and a ring around it."""
    ring = cv2.dilate(frame.mask.astype(np.uint8), np.ones((9, 9))).astype(bool) & ~frame.mask
    return abs(float(image[frame.mask].mean()) - float(image[ring].mean()))


def test_night_darkens_the_visible_image_only():
    frames = scene("night", frames=60)
    means = np.array([frame.rgb.mean() for frame in frames])
    assert means.min() < 0.3 * means[0]
    dark = int(means.argmin())
    assert "low_illumination" in frames[dark].attributes and frames[0].attributes == ()
    assert target_contrast(frames[dark], frames[dark].tir) > 10


def test_crossover_takes_the_thermal_contrast_away_for_a_while():
    frames = scene("crossover", seed=2, frames=60)
    contrast = np.array([target_contrast(frame, frame.tir) for frame in frames])
    lost = ["thermal_crossover" in frame.attributes for frame in frames]
    assert any(lost) and not all(lost) and not lost[0]
    assert contrast[lost].mean() < 0.5 * contrast[np.logical_not(lost)].mean()


def test_occlusion_hides_the_target_but_not_its_box():
    visible = [frame.mask.sum() / frame.box[2:].prod() for frame in scene("occlusion", 4, 60)]
    assert min(visible) < 0.5 * visible[0]


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_the_first_frames_show_the_target_in_both_bands(challenge):
    for seed in range(8):
        drawn_scene = scene_frames(seed, 60, SMALL, challenge)
        for _ in range(CLEAN_FRAMES):
            frame = next(drawn_scene)
            assert not set(frame.attributes) - {"scale_variation"}
            assert target_contrast(frame, frame.tir) > 5


def test_scale_and_camera_do_what_they_say():
    areas = [frame.box[2:].prod() for frame in scene("scale", frames=60)]
    assert max(areas) / min(areas) > 2.5
    drawn_scene = Scene(np.random.default_rng(0), 60, SMALL, CHALLENGES["camera"], None)
    assert np.ptp(drawn_scene.camera, axis=0).max() > 15


@pytest.mark.parametrize("frames", [1, 2, 7, 60, 200])
def test_episodes_spare_the_first_frames(frames):
    for seed in range(20):
        strength = episodes(np.random.default_rng(seed), frames)
        assert strength.shape == (frames,) and not strength[:CLEAN_FRAMES].any()
        assert strength.min() >= 0 and strength.max() <= 1
        assert frames < 60 or strength.max() > 0.99


def test_one_band_always_sees_the_target():
    for seed in range(30):
        schedule = Schedule.draw(CHALLENGES["mixed"], 100, np.random.default_rng(seed))
        blind = np.maximum(1 - schedule.light, schedule.haze)
        assert (np.abs(schedule.contrast)[blind > 0.8] > 0.3).all()


def test_a_way_is_smooth_and_stays_in_its_range():
    low, high = np.array([10.0, 20.0]), np.array([150.0, 90.0])
    for seed in range(20):
        path = random_path(np.random.default_rng(seed), 120, 26, low, high)
        assert path.shape == (120, 2) and (path >= low).all() and (path <= high).all()
        assert np.abs(np.diff(path, axis=0)).max() < 8


def test_written_sequences_read_back_as_a_plain_data_set(tmp_path):
    folders = synthesize_sequences(tmp_path, 3, 8, SMALL, seed=1)
    sequences = {each.name: each for each in open_dataset("plain", tmp_path)}
    assert [folder.name for folder in folders] == ["day", "night", "crossover"]
    assert set(sequences) == {"day", "night", "crossover"}
    truth = scene("night", [1, 1], 8)
    assert sequences["night"].attributes[0] == "night"
    for index, frame in enumerate(truth):
        rgb, tir = sequences["night"].frame(index)
        np.testing.assert_array_equal(tir, frame.tir)
        assert np.abs(rgb.astype(int) - frame.rgb).mean() < 6
        np.testing.assert_allclose(sequences["night"].boxes[index], frame.box, atol=0.0051)
    text = (tmp_path / "night" / "groundtruth.txt").read_text()
    assert len(text.splitlines()) == 8 and not text.endswith("\n\n")
    assert [path.name for path in sequences["night"].rgb[:1]] == ["00000001.jpg"]


def test_same_bytes_resume_and_refusal_of_other_settings(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    done = []
    synthesize_sequences(one, 2, 4, SMALL, on_progress=lambda *step: done.append(step))
    assert done == [(1, 2), (2, 2)]
    synthesize_sequences(two, 1, 4, SMALL)
    kept = (two / "day" / "ir" / "00000001.png").stat().st_mtime_ns
    synthesize_sequences(two, 2, 4, SMALL)
    assert (two / "day" / "ir" / "00000001.png").stat().st_mtime_ns == kept
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes(), file
    with pytest.raises(ValueError, match="made with other settings"):
        synthesize_sequences(two, 2, 5, SMALL)


def test_an_interrupted_sequence_leaves_nothing_half_done(tmp_path, monkeypatch):
    calls = []

    def fails(path, image):
        calls.append(path)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"x")

    monkeypatch.setattr("rgbt_track.synthetic.dataset.write_image", fails)
    with pytest.raises(OSError, match="No space left"):
        synthesize_sequences(tmp_path, 1, 4, SMALL)
    assert list(tmp_path.iterdir()) == []


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown challenge 'fog'; valid: day, night"):
        scene_frames(0, 5, challenge="fog")
    with pytest.raises(ValueError, match="unknown target 'bird'; valid: person"):
        scene_frames(0, 5, target="bird")
    with pytest.raises(ValueError, match="least 1 of 64x64"):
        scene_frames(0, 0)
    with pytest.raises(ValueError, match="cannot draw 5 frames of 32x32"):
        scene_frames(0, 5, (32, 32))
    with pytest.raises(ValueError, match="cannot synthesize 0"):
        synthesize_sequences(tmp_path, 0)
    assert sequence_names(13)[-2:] == ["day_2", "night_2"]


def test_drawing_is_quick():
    cv2.setNumThreads(1)
    start = time.process_time()
    scene("mixed", frames=60, size=(320, 240))
    assert 60 / (time.process_time() - start) > 40
