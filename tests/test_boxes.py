import numpy as np
import pytest

from rgbt_track.boxes import (
    cxcywh_to_xywh,
    iou_xywh,
    keep_inside_xywh,
    polygon_to_xywh,
    xywh_to_cxcywh,
    xywh_to_xyxy,
    xyxy_to_xywh,
)


def random_boxes(seed: int, count: int = 50) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(-50, 50, (count, 2)), rng.uniform(0, 60, (count, 2))], 1)


@pytest.mark.parametrize("seed", range(3))
def test_conversions_are_inverse(seed: int) -> None:
    boxes = random_boxes(seed)
    before = boxes.copy()
    np.testing.assert_allclose(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes, atol=1e-12)
    np.testing.assert_allclose(cxcywh_to_xywh(xywh_to_cxcywh(boxes)), boxes, atol=1e-12)
    np.testing.assert_array_equal(boxes, before)


def test_polygon_to_xywh_encloses_its_corners() -> None:
    np.testing.assert_array_equal(polygon_to_xywh([3, 1, 7, 2, 6, 9, 2, 8]), [2, 1, 5, 8])


def loop_iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / (a[2] * a[3] + b[2] * b[3] - overlap)


@pytest.mark.parametrize("seed", range(3))
def test_iou_against_loop_and_symmetric(seed: int) -> None:
    a, b = random_boxes(seed), random_boxes(seed + 100)
    expected = [loop_iou(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(iou_xywh(a, b), expected, atol=1e-12)
    np.testing.assert_allclose(iou_xywh(b, a), expected, atol=1e-12)
    np.testing.assert_allclose(iou_xywh(a, a), 1.0)


def test_iou_of_empty_boxes_is_zero() -> None:
    assert iou_xywh([1, 1, 0, 0], [1, 1, 0, 0]) == 0
    assert iou_xywh([0, 0, -5, 5], [0, 0, 5, 5]) == 0


@pytest.mark.parametrize(
    "box",
    [[-500, -500, 10, 10], [900, 900, 10, 10], [-20, 5, 1000, 4], [99.9, 3, 5, 5], [5, 5, 0, 0]],
)
def test_kept_inside(box: list[float]) -> None:
    x, y, w, h = keep_inside_xywh(box, 100, 80, smallest=2)
    assert x >= 0 and y >= 0 and x + w <= 100 + 1e-9 and y + h <= 80 + 1e-9
    assert w >= 2 - 1e-9 and h >= 2 - 1e-9


def test_box_inside_is_left_alone() -> None:
    np.testing.assert_array_equal(
        keep_inside_xywh([10.5, 20.25, 30, 40], 100, 80), [10.5, 20.25, 30, 40]
    )
