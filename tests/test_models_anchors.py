import math

import numpy as np
import pytest

from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import anchor_boxes, anchor_count

CONFIGS = [
    AnchorConfig(),
    AnchorConfig(stride=4, ratios=(1.0,), scales=(16.0,)),
    AnchorConfig(stride=8, ratios=(0.5, 2.0), scales=(4.0, 8.0)),
]


def slow_anchors(config: AnchorConfig, size: int) -> np.ndarray:
    """pysot's order and arithmetic, written out: corners first, then centres and sides."""
    rows = []
    for ratio in config.ratios:
        width = int(math.sqrt(config.stride**2 * 1.0 / ratio))
        height = int(width * ratio)
        for scale in config.scales:
            x1, y1 = -width * scale * 0.5, -height * scale * 0.5
            x2, y2 = width * scale * 0.5, height * scale * 0.5
            for row in range(size):
                for column in range(size):
                    x = column * config.stride - (size // 2) * config.stride
                    y = row * config.stride - (size // 2) * config.stride
                    rows.append([x + (x1 + x2) / 2, y + (y1 + y2) / 2, x2 - x1, y2 - y1])
    return np.array(rows, np.float32)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("size", [5, 25])
def test_anchors_equal_pysots(config: AnchorConfig, size: int) -> None:
    boxes = anchor_boxes(config, size)
    np.testing.assert_array_equal(boxes, slow_anchors(config, size))
    assert boxes.dtype == np.float32
    assert len(boxes) == anchor_count(config) * size * size


def test_the_published_configuration_has_these_sides() -> None:
    sides = anchor_boxes(AnchorConfig(), 1)[:, 2:]
    np.testing.assert_array_equal(sides, [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]])


@pytest.mark.parametrize("size", [24, 25])
def test_anchor_centres_lie_around_the_crop_centre(size: int) -> None:
    centers = anchor_boxes(AnchorConfig(), size)[:, :2]
    np.testing.assert_allclose(centers.mean(0), 0, atol=1e-5)
    np.testing.assert_array_equal(centers.max(0), -centers.min(0))
