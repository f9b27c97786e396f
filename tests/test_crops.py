import cv2
import numpy as np
import pytest

from rgbt_track.crops import CropRegion, context_side


def random_region(rng: np.random.Generator) -> CropRegion:
    x, y, side = rng.uniform(-30, 150), rng.uniform(-30, 120), rng.uniform(5, 300)
    return CropRegion.around(x, y, side, int(rng.choice([63, 127, 255])))


@pytest.mark.parametrize("seed", range(5))
def test_round_trip_is_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    region, boxes = random_region(rng), rng.uniform(-50, 200, (20, 4))
    there = region.image_to_crop(boxes)
    np.testing.assert_allclose(region.crop_to_image(there), boxes, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_from_the_crops_center_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    region, boxes = random_region(rng), rng.uniform(1, 200, (20, 4))
    in_crop = region.image_to_crop(boxes) - [region.size / 2, region.size / 2, 0, 0]
    np.testing.assert_allclose(region.centered_to_image(in_crop), boxes, atol=1e-9)


@pytest.mark.parametrize(
    ("left", "top", "side", "covers"),
    [(0, 0, 40, True), (-3, -9, 43, False), (-3, -3, 43, True), (1, 0, 90, False)],
)
def test_whether_a_region_covers_an_image(left: int, top: int, side: int, covers: bool) -> None:
    assert CropRegion(left, top, side, 127).covers(40, 35) == covers


@pytest.mark.parametrize("seed", range(5))
def test_region_is_centred_within_half_a_pixel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        x, y, side = rng.uniform(-30, 150), rng.uniform(-30, 120), rng.uniform(2, 300)
        region = CropRegion.around(x, y, side, 127)
        assert abs(region.left + region.side / 2 - x) <= 0.5
        assert abs(region.top + region.side / 2 - y) <= 0.5
        assert abs(region.side - side) <= 0.5


def slow_cut(region: CropRegion, image: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """pysot's way: pad the whole image, then slice, then resize."""
    pad = 700
    padded = np.empty((image.shape[0] + 2 * pad, image.shape[1] + 2 * pad, 3), np.uint8)
    padded[:] = fill.astype(np.uint8)
    padded[pad:-pad, pad:-pad] = image
    top, left = region.top + pad, region.left + pad
    patch = padded[top : top + region.side, left : left + region.side]
    return cv2.resize(patch, (region.size, region.size))


@pytest.mark.parametrize("seed", range(8))
def test_cut_equals_padding_the_whole_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    fill, before = image.mean(axis=(0, 1)), image.copy()
    region = random_region(rng)
    np.testing.assert_array_equal(region.cut(image, fill), slow_cut(region, image, fill))
    np.testing.assert_array_equal(image, before)


def test_region_wholly_outside_is_all_fill() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    crop = CropRegion(left=500, top=-300, side=50, size=31).cut(image, [1, 2, 3])
    assert (crop == [1, 2, 3]).all()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_a_disc_lands_where_the_geometry_says(scale: float) -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(image, (120, 70), 9, (255, 255, 255), -1)  # pixel centres: continuous 120.5, 70.5
    region = CropRegion.around(100, 90, 100, int(100 * scale) | 1)
    crop = region.cut(image, [0, 0, 0])[..., 0].astype(float)
    ys, xs = np.mgrid[: region.size, : region.size] + 0.5
    found = np.array([(xs * crop).sum(), (ys * crop).sum()]) / crop.sum()
    expected = region.image_to_crop([120.5, 70.5, 0, 0])[:2]
    np.testing.assert_allclose(found, expected, atol=0.1 * max(scale, 1))


@pytest.mark.parametrize("bad", [(np.nan, 0, 10), (0, np.inf, 10), (0, 0, 0), (0, 0, -3)])
def test_impossible_regions_are_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="no crop"):
        CropRegion.around(*bad, size=127)


def test_context_side_is_siamfcs() -> None:
    assert context_side(40, 60) == pytest.approx(np.sqrt((40 + 50) * (60 + 50)))
    assert context_side(40, 60, context=0) == pytest.approx(np.sqrt(40 * 60))
