"""Objects that fill their images, pasted as targets and beside them, in both modalities alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from data_trees import SIZE, object_pairs
from training_material import tiny_experiment, write_set

from rgbt_track.boxes import iou_xywh
from rgbt_track.config.pairs import SourceConfig, StoreConfig
from rgbt_track.data import open_dataset
from rgbt_track.io.images import write_image
from rgbt_track.pairs.crop_store import FileStore, StoredCrop
from rgbt_track.pairs.lmdb_pack import pack_lmdb
from rgbt_track.pairs.lmdb_store import LmdbStore
from rgbt_track.pairs.object_paste import (
    composite_object,
    cut_object,
    estimate_alpha,
    feathered_rectangle,
    paste_distractor,
    paste_target,
)
from rgbt_track.pairs.sampler import PairSampler, pair_generator
from rgbt_track.pairs.sources import pair_dataset

GEOMETRY = StoreConfig(size=160)
SIDE = GEOMETRY.size / GEOMETRY.factor


def crop(box: tuple[float, ...], inside: int, outside: int, thermal: int = 1) -> StoredCrop:
    """A bright box on a plain ground, in both modalities."""
    x, y, w, h = (round(value) for value in box)
    rgb = np.full((GEOMETRY.size, GEOMETRY.size, 3), outside, np.uint8)
    rgb[y : y + h, x : x + w] = inside
    images = {"rgb": rgb, "tir": rgb[..., :thermal].copy()}
    pad_values = {name: np.full(3, outside, np.uint8) for name in images}
    return StoredCrop(images, pad_values, None, np.array(box, float))


def test_every_image_is_its_object_and_can_be_packed(tmp_path):
    object_pairs(tmp_path)
    sequences = open_dataset("object_pairs", tmp_path)
    assert [each.name for each in sequences] == ["car_day_0", "car_day_1"]
    for sequence in sequences:
        np.testing.assert_array_equal(sequence.boxes, [[0, 0, SIZE[1], SIZE[0]]])
    store = LmdbStore(pack_lmdb(sequences, tmp_path / "objects.lmdb", GEOMETRY))
    images = cut_object(store.read(0, 0))
    assert images["rgb"].shape[2] == 3 and images["tir"].shape[2] == 1
    ratio = images["rgb"].shape[1] / images["rgb"].shape[0]
    assert ratio == pytest.approx(SIZE[1] / SIZE[0], rel=0.05)


def composite_by_pixels(scene, patch, alpha, box):
    """Every pixel of the scene asks for its place in the object: bilinear, 0 outside."""
    result = scene.astype(float)
    height, width = alpha.shape
    for row in range(scene.shape[0]):
        for column in range(scene.shape[1]):
            u = (column + 0.5 - box[0]) / box[2] * width - 0.5
            v = (row + 0.5 - box[1]) / box[3] * height - 0.5
            u0, v0 = int(np.floor(u)), int(np.floor(v))
            weight, value = 0.0, 0.0
            for y, x in ((v0, u0), (v0, u0 + 1), (v0 + 1, u0), (v0 + 1, u0 + 1)):
                share = (1 - abs(u - x)) * (1 - abs(v - y))
                inside = 0 <= y < height and 0 <= x < width
                weight += share * (alpha[y, x] if inside else 0)
                value += share * patch[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1), 0]
            outside = not (box[0] - 1 < column < box[0] + box[2] + 1)
            if not outside:
                result[row, column, 0] += weight * (value - result[row, column, 0])
    return result


@pytest.mark.parametrize("box", [(8.3, 5.6, 13.4, 17.2), (-4.5, 20.2, 12, 16), (30, 30, 15, 15)])
def test_compositing_is_that_of_a_loop_over_pixels(box):
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 255, (40, 40, 1), np.uint8)
    patch = rng.integers(0, 255, (15, 12, 1), np.uint8)
    alpha = feathered_rectangle(15, 12)
    before = scene.copy()
    (image,) = composite_object({"tir": scene}, {"tir": patch}, alpha, np.array(box)).values()
    np.testing.assert_array_equal(scene, before)
    expected = composite_by_pixels(scene, patch, alpha, box)
    assert np.abs(image - expected).max() <= 5  # OpenCV counts places in 32nds of a pixel
    assert np.abs(image - expected).mean() < 0.5


def test_the_soft_mask_finds_the_object_and_falls_to_nothing_at_the_edge():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:60, :40]
    truth = ((x - 20) / 13) ** 2 + ((y - 30) / 25) ** 2 < 1
    noise = rng.normal(0, 8, (60, 40, 1))
    image = np.clip(np.where(truth, 180, 90)[..., None] + noise, 0, 255).astype(np.uint8)
    alpha = estimate_alpha({"tir": image})
    assert alpha[truth].mean() > 0.9 and alpha[~truth].mean() < 0.15
    soft = feathered_rectangle(60, 40)
    assert soft.max() == 1 and soft[0].max() < 0.1 and soft[:, -1].max() < 0.1
    assert soft[30, 20] == 1


def test_an_object_becomes_the_target_of_both_crops():
    scene = crop((60, 60, 40, 40), 40, 40)
    target = crop((70, 60, 20, 40), 220, 120, thermal=3)
    boxes = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pair = paste_target(scene, scene, target, GEOMETRY, GEOMETRY, rng)
        for pasted in pair:
            assert pasted.images["rgb"].shape[2] == 3 and pasted.images["tir"].shape[2] == 1
            x, y, w, h = pasted.box
            middle = round(y + h / 2), round(x + w / 2)
            for image in pasted.images.values():
                assert image[middle][0] > 200
                rows, columns = np.nonzero(image[..., 0] > 60)
                assert rows.min() >= y - 1 and rows.max() <= y + h
                assert columns.min() >= x - 1 and columns.max() <= x + w
            assert w == pytest.approx(20, rel=0.09) and h == pytest.approx(40, rel=0.09)
            assert np.abs([x + w / 2 - 80, y + h / 2 - 80]).max() <= 0.5 * SIDE
        boxes.append([each.box for each in pair])
    moved = np.diff(np.array(boxes), axis=1)[:, 0, :2]
    assert 0 < np.abs(moved).max() < 0.3 * SIDE
    assert scene.images["rgb"].max() == 40  # the scene itself is left alone


def test_a_distractor_leaves_the_target_free():
    scene = crop((60, 50, 30, 50), 200, 40)
    other = crop((70, 60, 20, 40), 255, 120)
    sides = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pasted = paste_distractor(scene, other, GEOMETRY, GEOMETRY, rng)
        np.testing.assert_array_equal(pasted.box, scene.box)
        changed = (pasted.images["tir"] != scene.images["tir"])[..., 0]
        rows, columns = np.nonzero(changed)
        extent = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert iou_xywh(np.array(extent, float), scene.box) < 0.05
        np.testing.assert_array_equal(changed, (pasted.images["rgb"] != 40)[..., 0] & changed)
        sides.add((extent[0] > 75, extent[1] > 75))
    assert len(sides) == 4  # on all sides


def test_a_thermal_scene_takes_the_thermal_part_alone():
    scene = crop((60, 50, 30, 50), 200, 40)
    scene = dataclasses.replace(scene, images={"tir": scene.images["tir"]})
    rng = np.random.default_rng(0)
    other = crop((70, 60, 20, 40), 255, 120)
    pasted = paste_distractor(scene, other, GEOMETRY, GEOMETRY, rng)
    assert set(pasted.images) == {"tir"} and (pasted.images["tir"] != scene.images["tir"]).any()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_set(tmp_path / "walks")
    for number, kind in enumerate(("car_day", "car_day", "man_day", "man_day")):
        pixels = np.random.default_rng(number).integers(0, 255, (30, 20, 3), np.uint8)
        for name in ("rgb", "tir"):
            (tmp_path / "objects" / name).mkdir(parents=True, exist_ok=True)
            write_image(tmp_path / "objects" / name / f"{kind}_{number}.png", pixels)
    return tmp_path


SOURCES = [
    {"dataset": "plain", "folder": "walks"},
    {"dataset": "object_pairs", "folder": "objects", "objects": True},
]


def test_without_the_options_the_pairs_are_those_without_the_objects(root):
    alone = pair_dataset(tiny_experiment(root, sources=SOURCES[:1]))
    beside = pair_dataset(tiny_experiment(root, sources=SOURCES))
    for index in range(6):
        one, other = alone[0, index], beside[0, index]
        np.testing.assert_array_equal(one["search"]["tir"], other["search"]["tir"])
        np.testing.assert_array_equal(one["labels"], other["labels"])


def test_objects_are_drawn_as_often_as_told_and_distractors_are_of_their_kind(root):
    training = tiny_experiment(root, sources=SOURCES).training
    stores = [
        FileStore(open_dataset("plain", root / "walks"), training.store),
        FileStore(open_dataset("object_pairs", root / "objects"), training.store),
    ]
    sampler = PairSampler(stores, training.sources, 0.0, paste_objects=0.5, distractors=0.25)
    draws = [sampler.draw(pair_generator(1, 0, index)) for index in range(800)]
    assert {draw.template.source for draw in draws} == {0}
    pasted = [draw for draw in draws if draw.pasted_object]
    assert abs(len(pasted) / len(draws) - 0.5) < 0.05
    assert abs(sum(draw.distractor is not None for draw in draws) / len(draws) - 0.25) < 0.05
    names = [track.name for track in stores[1].tracks]
    both = [draw for draw in pasted if draw.distractor]
    for draw in both:
        assert names[draw.pasted_object.track][:3] == names[draw.distractor.track][:3]
    assert len({draw.pasted_object.track for draw in pasted}) == 4


def test_examples_with_pasted_objects_are_whole_and_repeat(root):
    config = tiny_experiment(
        root, sources=SOURCES, paste_objects=1.0, distractors=0.5, negative=0.0
    )
    one, other = pair_dataset(config)[0, 1], pair_dataset(config)[0, 1]
    for name in ("rgb", "tir"):
        np.testing.assert_array_equal(one["search"][name], other["search"][name])
    assert one["search"]["rgb"].shape == (3, 79, 79) and (one["labels"] == 1).any()
    plain = pair_dataset(tiny_experiment(root, sources=SOURCES, negative=0.0))[0, 1]
    assert (one["search"]["rgb"] != plain["search"]["rgb"]).mean() > 0.1


def test_objects_alone_or_none_at_all_are_refused(root):
    with pytest.raises(ValueError, match="none is left to draw from"):
        pair_dataset(tiny_experiment(root, sources=SOURCES[1:]))
    with pytest.raises(ValueError, match="need a source with 'objects: true'"):
        pair_dataset(tiny_experiment(root, sources=SOURCES[:1], distractors=0.1))
    assert not SourceConfig(dataset="plain").objects
