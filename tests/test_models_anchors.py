import math

import numpy as np
import pytest
import torch

from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.models.anchors import (
    anchor_boxes,
    anchor_count,
    decode_centers,
    decode_offsets,
    decode_sizes,
    encode_offsets,
)

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


@pytest.mark.parametrize("seed", range(3))
def test_decoding_is_the_inverse_of_encoding_in_numpy_and_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    anchors = anchor_boxes(CONFIGS[0], 5).astype(float)
    centers, sizes = rng.uniform(-50, 50, (125, 2)), rng.uniform(1, 200, (125, 2))
    boxes = np.concatenate([centers, sizes], 1)
    offsets = encode_offsets(boxes, anchors)
    x, y, w, h = boxes[7] - [*anchors[7, :2], 0, 0]
    expected = [x / anchors[7, 2], y / anchors[7, 3]]
    expected += [math.log(w / anchors[7, 2]), math.log(h / anchors[7, 3])]
    np.testing.assert_allclose(offsets[7], expected)
    np.testing.assert_allclose(decode_centers(offsets, anchors), centers)
    np.testing.assert_allclose(decode_sizes(offsets, anchors), sizes)
    tensors = [torch.from_numpy(array) for array in (boxes, anchors, offsets)]
    np.testing.assert_allclose(encode_offsets(*tensors[:2]).numpy(), offsets)
    np.testing.assert_allclose(decode_offsets(tensors[2], tensors[1]).numpy(), boxes)


def test_one_box_is_encoded_on_all_anchors() -> None:
    anchors = anchor_boxes(CONFIGS[0], 5)
    offsets = encode_offsets(np.array([3.0, 4.0, 30.0, 40.0]), anchors)
    np.testing.assert_allclose(decode_sizes(offsets, anchors), [[30, 40]] * 125, rtol=1e-5)


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_sizes_of_an_overflowing_head_are_finite(offset: float) -> None:
    anchors = anchor_boxes(CONFIGS[0], 1)
    sizes = decode_sizes(np.full((5, 4), offset, np.float32), anchors)
    same = decode_sizes(torch.full((5, 4), offset), torch.from_numpy(anchors))
    np.testing.assert_allclose(same.numpy(), sizes, rtol=1e-6)
    np.testing.assert_allclose(sizes, anchors[:, 2:] * math.exp(8 * np.sign(offset)), rtol=1e-6)
