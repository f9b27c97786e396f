"""The two geometries: one meaning of the center, one way back, and pysot's rounding errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stub_network import disc_frame, disc_tracker

from rgbt_track.boxes import cxcywh_to_xywh
from rgbt_track.config.tracker import TrackingConfig
from rgbt_track.tracking.geometry import CropGeometry, PysotGeometry
from rgbt_track.tracking.state import TrackState

SETTINGS = TrackingConfig()
GEOMETRIES = {"exact": CropGeometry(SETTINGS), "pysot": PysotGeometry(SETTINGS)}


def state_of(x: float, y: float, w: float, h: float) -> TrackState:
    tracker = disc_tracker()
    state = tracker.init(disc_frame(160, 120, 20), None, [140, 100, 40, 40])
    return replace(state, center=(x, y), size=(w, h))


@pytest.mark.parametrize("seed", range(5))
def test_a_box_in_the_crop_comes_back_to_the_frame(seed: int) -> None:
    """The crop of a region shows a target where image_to_crop says; to_image is its inverse."""
    rng = np.random.default_rng(seed)
    geometry, state = GEOMETRIES["exact"], state_of(*rng.uniform(20, 90, 4))
    region = geometry.search_region(state, 255)
    target = np.array([*state.center, *state.size])
    corner, (w, h) = region.image_to_crop(cxcywh_to_xywh(target))[:2], state.size
    scale = geometry.scale(state, region)
    in_crop = [*(corner + np.array([w, h]) * scale / 2 - 255 / 2), w * scale, h * scale]
    np.testing.assert_allclose(geometry.to_image(in_crop, state, region), target, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_template_and_search_show_the_target_on_one_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = state_of(*rng.uniform(40, 90, 4))
    for geometry in GEOMETRIES.values():
        template, search = geometry.template_region(state), geometry.search_region(state, 255)
        assert (template.size, search.size) == (127, 255)
        assert template.scale == pytest.approx(search.scale, rel=0.5 / template.side)


def test_pysots_way_back_forgets_the_rounding() -> None:
    state = state_of(100.3, 80.7, 21.0, 33.0)
    exact, pysot = GEOMETRIES["exact"], GEOMETRIES["pysot"]
    region = pysot.search_region(state, 255)
    side = np.sqrt((21 + 27) * (33 + 27)) * 255 / 127
    assert abs(side - region.side) > 0.1
    back = pysot.to_image([10.0, -5.0, 64.0, 32.0], state, region)
    np.testing.assert_allclose(
        back, [100.3 + 10 * side / 255, 80.7 - 5 * side / 255, 64 * side / 255, 32 * side / 255]
    )
    assert region.left == exact.search_region(state, 255).left - 1


def test_the_center_is_that_of_the_box_and_pysots_box_is_half_a_pixel_off() -> None:
    center, size, frame_size = (100.0, 80.0), (20.0, 30.0), (320, 240)
    np.testing.assert_allclose(GEOMETRIES["exact"].box(center, size, frame_size), [90, 65, 20, 30])
    pysot = GEOMETRIES["pysot"].box(center, size, frame_size)
    np.testing.assert_allclose(pysot, [89.5, 64.5, 20, 30])
    frame, box = disc_frame(160, 120, 20), [140.0, 100.0, 40.0, 40.0]
    for exact in (True, False):
        assert disc_tracker(pysot_exact=exact).init(frame, None, box).center == (160, 120)


@pytest.mark.parametrize(
    ("name", "center", "size"),
    [("exact", (0.0, 240.0), (2.0, 240.0)), ("pysot", (0.5, 240.5), (10.0, 240.0))],
)
def test_a_target_is_kept_at_the_frame(
    name: str, center: tuple[float, float], size: tuple[float, float]
) -> None:
    geometry = GEOMETRIES[name]
    assert geometry.clip([-50.0, 900.0], [0.1, 1e6], (320, 240)) == (center, size)
    assert geometry.clip([100.0, 90.0], [40.0, 50.0], (320, 240)) == ((100, 90), (40, 50))
