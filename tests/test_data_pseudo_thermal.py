"""Pseudo-thermal images: seeded, of low texture, with a target as hot or cold as asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rgbt_track.synthetic.background import draw_background
from rgbt_track.synthetic.pseudo_thermal import PseudoThermal, pseudo_thermal, target_alpha

BOX = np.array([60.0, 70.0, 24.0, 40.0])


@pytest.fixture(scope="module")
def picture():
    """A painted world with a red figure in it: image and mask."""
    rgb = draw_background(np.random.default_rng(4), 200, 160).rgb.copy()
    mask = np.zeros((160, 200), np.uint8)
    cv2.ellipse(mask, (72, 90), (11, 19), 0, 0, 360, 1, -1)
    rgb[mask == 1] = (190, 40, 50)
    return rgb, mask.astype(bool)


def ring(mask):
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))).astype(bool)
    return grown & ~cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)


def difference(image, mask):
    return float(image[mask].mean()) - float(image[ring(mask)].mean())


def test_equal_seeds_give_equal_images_and_the_input_is_left_alone(picture):
    rgb, mask = picture
    before = rgb.copy()
    one, same, other = (
        pseudo_thermal(rgb, mask, None, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one.shape == mask.shape and one.dtype == np.uint8
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert np.array_equal(rgb, before)


@pytest.mark.parametrize("seed", range(12))
def test_contrast_is_hot_cold_or_none_as_asked(picture, seed):
    rgb, mask = picture
    hot, level, cold = (
        difference(pseudo_thermal(rgb, mask, None, np.random.default_rng(seed), contrast), mask)
        for contrast in (0.8, 0.0, -0.5)
    )
    assert hot > level + 15 and abs(level) < 25
    assert cold < level - 4


@pytest.mark.parametrize("seed", range(6))
def test_a_box_serves_where_there_is_no_mask(picture, seed):
    rgb, mask = picture
    thermal = pseudo_thermal(rgb, None, BOX, np.random.default_rng(seed), 0.9)
    assert difference(thermal, mask) > 12


def test_the_guess_from_a_box_is_mostly_the_target(picture):
    rgb, mask = picture
    alpha = target_alpha(rgb, None, BOX)
    assert alpha.min() >= 0 and alpha.max() <= 1
    guess = alpha > 0.5
    assert (guess & mask).sum() / (guess | mask).sum() > 0.75
    assert not alpha[:, :40].any() and not alpha[:, 110:].any()


@pytest.mark.parametrize("box", [[np.nan] * 4, [-50, -50, 20, 20], [10, 10, 0.4, 9], None])
def test_a_box_that_shows_nothing_gives_no_target(picture, box):
    rgb, _ = picture
    plain = pseudo_thermal(rgb, None, None, np.random.default_rng(3))
    assert np.array_equal(pseudo_thermal(rgb, None, box, np.random.default_rng(3)), plain)


def test_surfaces_lose_their_texture_and_tones_their_order(picture):
    rgb, mask = picture
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(float)
    rough, correlations = [], []
    for seed in range(16):
        thermal = pseudo_thermal(rgb, mask, None, np.random.default_rng(seed)).astype(float)
        rough.append(np.abs(cv2.Laplacian(thermal, cv2.CV_64F)).mean())
        correlations.append(np.corrcoef(thermal.ravel(), gray.ravel())[0, 1])
    assert np.mean(rough) < 0.8 * np.abs(cv2.Laplacian(gray, cv2.CV_64F)).mean()
    assert min(correlations) < -0.1 and max(correlations) > 0.3


def test_frames_of_one_instance_belong_together(picture):
    rgb, mask = picture
    camera = PseudoThermal(np.random.default_rng(5), 200, 160, contrast=0.7)
    one, two = camera(rgb, mask).astype(int), camera(rgb, mask).astype(int)
    assert 0 < np.abs(one - two).mean() < 5
    other = PseudoThermal(np.random.default_rng(6), 200, 160, contrast=0.7)(rgb, mask)
    assert np.abs(one - other.astype(int)).mean() > 10
    gone = camera(rgb, mask, contrast=0.0)
    assert abs(difference(gone, mask)) < abs(difference(two, mask)) - 10


def test_the_same_look_at_any_size(picture):
    rgb, mask = picture
    whole = pseudo_thermal(rgb, mask, None, np.random.default_rng(8), 0.8)
    crop = (slice(40, 150), slice(20, 130))
    part = pseudo_thermal(rgb[crop], mask[crop], None, np.random.default_rng(8), 0.8)
    assert np.corrcoef(whole[crop].ravel(), part.ravel())[0, 1] > 0.8


def test_drawn_contrasts_are_hot_cold_and_lost():
    drawn = [PseudoThermal(np.random.default_rng(seed), 8, 8).contrast for seed in range(200)]
    hot, cold = np.greater(drawn, 0.25).mean(), np.less(drawn, -0.2).mean()
    assert 0.6 < hot < 0.8 and 0.08 < cold < 0.27 and hot + cold < 0.97


def test_an_image_of_another_size_is_refused(picture):
    camera = PseudoThermal(np.random.default_rng(0), 50, 40)
    with pytest.raises(ValueError, match="for a camera of"):
        camera(picture[0])
