from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import data_trees
import numpy as np
import pytest
from training_material import tiny_experiment, write_set

from rgbt_track.config.pairs import AugmentConfig, SourceConfig, StoreConfig, TargetConfig
from rgbt_track.config.tracker import AnchorConfig
from rgbt_track.modalities import MODALITIES
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.pairs import dataset as pairs
from rgbt_track.pairs.anchor_targets import AnchorTargets
from rgbt_track.pairs.augment import (
    ModalityDropout,
    View,
    ViewSettings,
    corrupt,
    cut_view,
    flip,
    photometric,
    stretch,
)
from rgbt_track.pairs.crop_store import StoredCrop, Track
from rgbt_track.pairs.dataset import Pair, PairDataset
from rgbt_track.pairs.preview import preview_pairs
from rgbt_track.pairs.sampler import PairSampler, pair_generator
from rgbt_track.pairs.sources import pair_dataset

BOX = np.array([20.0, 20, 30, 40])
GEOMETRY = StoreConfig(size=200, factor=4.0)
PLAIN = AugmentConfig(
    template_shift=0, template_scale=0, search_shift=0, search_scale=0, blur=0, flip=0, gray=0,
    color=0, noise=0, registration=0, black=0, frozen=0, noisy=0, obscured=0,
)  # fmt: skip


class StubStore:
    """Tracks without pixels."""

    def __init__(self, *lengths: int, groups: tuple[str, ...] = (), step: int = 1):
        self.geometry = GEOMETRY
        self.tracks = [
            Track(
                name=f"track_{number}",
                frames=np.arange(length) * step,
                boxes=np.tile([80.0, 80, 40, 40], (length, 1)),
                modalities=("rgb", "tir"),
                has_mask=False,
                group=groups[number] if groups else f"track_{number}",
            )
            for number, length in enumerate(lengths)
        ]

    def read(self, track: int, position: int) -> StoredCrop:
        raise NotImplementedError


def draws(sampler: PairSampler, count: int = 2000) -> list:
    return [sampler.draw(pair_generator(0, 0, index)) for index in range(count)]


def source(**values: object) -> SourceConfig:
    return SourceConfig(lmdb="x", **values)  # type: ignore[arg-type]


def test_pairs_are_near_in_frames_not_in_positions() -> None:
    sampler = PairSampler([StubStore(50, step=7)], [source(frame_range=20)], negative=0)
    frames = sampler.stores[0].tracks[0].frames
    gaps = {int(frames[d.search.position] - frames[d.template.position]) for d in draws(sampler)}
    assert gaps == {-14, -7, 0, 7, 14}


def test_sources_are_drawn_by_weight_and_tracks_by_the_root_of_their_length() -> None:
    stores = [StubStore(100, 4), StubStore(10)]
    sampler = PairSampler(stores, [source(weight=3), source(weight=1)], negative=0)
    pairs_drawn = draws(sampler, 4000)
    first = [d for d in pairs_drawn if d.template.source == 0]
    assert len(first) / len(pairs_drawn) == pytest.approx(0.75, abs=0.02)
    long = sum(d.template.track == 0 for d in first) / len(first)
    assert long == pytest.approx(10 / 12, abs=0.02)


def test_negatives_come_as_often_as_asked_and_never_from_the_same_scene() -> None:
    stores = [StubStore(5, 5, 5), StubStore(1, 1, 1, groups=("a.jpg", "a.jpg", "b.jpg"))]
    sampler = PairSampler(stores, [source(one_video=True), source()], negative=0.3)
    pairs_drawn = draws(sampler)
    negatives = [d for d in pairs_drawn if d.negative]
    assert len(negatives) / len(pairs_drawn) == pytest.approx(0.3, abs=0.03)
    for draw in negatives:
        a, b = draw.template, draw.search
        assert not (a.source == b.source == 0)
        if a.source == b.source == 1:
            groups = [stores[1].tracks[t].group for t in (a.track, b.track)]
            assert groups[0] != groups[1]
    for draw in pairs_drawn:
        if not draw.negative:
            assert (draw.template.source, draw.template.track) == (
                draw.search.source,
                draw.search.track,
            )


def test_lookalikes_come_from_the_same_source() -> None:
    stores, sources = [StubStore(5, 5, 5), StubStore(5, 5, 5)], [source(), source()]
    shares = []
    for lookalike in (0.0, 1.0):
        sampler = PairSampler(stores, sources, negative=1.0, lookalike=lookalike)
        negatives = draws(sampler)
        assert all(d.template != d.search for d in negatives)
        shares.append(np.mean([d.template.source == d.search.source for d in negatives]))
    assert shares[0] == pytest.approx(0.4, abs=0.05) and shares[1] == 1.0


def test_one_scene_alone_has_no_negatives() -> None:
    sampler = PairSampler([StubStore(5, 5)], [source(one_video=True)], negative=1.0)
    assert not any(d.negative for d in draws(sampler, 50))


def marked_crop(box: tuple[int, int, int, int] = (85, 70, 30, 60)) -> StoredCrop:
    """A white target on black in both modalities, with its mask."""
    x, y, w, h = box
    image = np.zeros((200, 200, 3), np.uint8)
    image[y : y + h, x : x + w] = 255
    return StoredCrop(
        images={"rgb": image, "tir": image[..., :1].copy()},
        pad_values={"rgb": np.zeros(3, np.uint8), "tir": np.zeros(3, np.uint8)},
        mask=image[..., 0] > 0,
        box=np.array(box, float),
    )


def extent(image: np.ndarray) -> np.ndarray:
    """Box of what is brighter than half, with the borders between pixels interpolated."""
    bright = image.astype(float).reshape(*image.shape[:2], -1)[..., 0] / 255
    columns, rows = bright.max(0), bright.max(1)
    x, y = np.argmax(columns >= 0.5), np.argmax(rows >= 0.5)
    return np.array([x, y, (columns >= 0.5).sum(), (rows >= 0.5).sum()], float)


@pytest.mark.parametrize("seed", range(8))
def test_the_box_follows_the_target_in_both_modalities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    settings = ViewSettings(size=120, contexts=2.0, shift=20, scale=0.2)
    view = cut_view(marked_crop(), settings, GEOMETRY, 0.0, rng)
    assert view.mask is not None
    for image in (*view.images.values(), view.mask.astype(np.uint8) * 255):
        assert np.abs(extent(image) - view.box).max() <= 1.0
    mirrored = flip(view)
    for image in mirrored.images.values():
        assert np.abs(extent(image) - mirrored.box).max() <= 1.0


def test_shift_and_scale_stay_in_their_ranges_and_reach_their_ends() -> None:
    settings = ViewSettings(size=120, contexts=2.0, shift=20, scale=0.2)
    centers, widths = [], []
    for seed in range(200):
        view = cut_view(marked_crop(), settings, GEOMETRY, 0.0, np.random.default_rng(seed))
        centers.append(view.box[:2] + view.box[2:] / 2 - 60)
        widths.append(view.box[2])
    # 30 stored pixels at 50 per context side, 2 contexts on 120 pixels: 36 wide without scale
    assert 36 / 1.21 < min(widths) < 31 and 43 < max(widths) < 36 / 0.79
    reach = np.abs(centers).max(axis=0)
    assert (reach <= 21.5).all() and (reach > 18).all()


def test_without_augmentation_the_target_is_centered() -> None:
    view = cut_view(
        marked_crop(), ViewSettings(100, 2.0, 0, 0), GEOMETRY, 0.0, np.random.default_rng(0)
    )  # 100 stored pixels on 100: nothing is resized
    assert view.box.tolist() == [35, 20, 30, 60]


@pytest.mark.parametrize("aspect", [0.7, 1.0, 1.4])
def test_a_stretched_target_keeps_its_area_and_its_box(aspect: float) -> None:
    mask = np.zeros((100, 100), bool)
    mask[30:60, 20:44] = True
    rgb = np.where(mask[..., None], 250, 20).astype(np.uint8).repeat(3, 2)
    view = stretch(
        View({"rgb": rgb, "tir": rgb[..., :1]}, mask, np.array([20.0, 30, 24, 30])), aspect
    )
    assert view.box[2] / view.box[3] == pytest.approx(0.8 * aspect)
    assert view.box[2] * view.box[3] == pytest.approx(24 * 30)
    assert view.mask is not None
    for seen in (view.images["rgb"][..., 0] > 135, view.images["tir"][..., 0] > 135, view.mask):
        rows, columns = np.nonzero(seen)
        found = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert np.abs(np.array(found) - view.box).max() < 1


def test_the_search_crop_is_stretched_as_far_as_asked(dataset: PairDataset) -> None:
    plain = dataclasses.replace(PLAIN, search_aspect=0.5)
    shapes = []
    for augment in (PLAIN, plain):
        dataset.augment = augment
        drawn = [dataset.pair(pair_generator(3, 0, index)).search.box for index in range(60)]
        shapes.append(np.array([w / h for _, _, w, h in drawn]))
    change = shapes[1] / np.median(shapes[0])
    assert change.max() > 1.3 and change.min() < 0.75


def test_registration_jitter_moves_thermal_alone() -> None:
    shifts = set()
    for seed in range(30):
        view = cut_view(
            marked_crop(), ViewSettings(100, 2.0, 0, 0), GEOMETRY, 4.0, np.random.default_rng(seed)
        )
        assert extent(view.images["rgb"]).tolist() == [35, 20, 30, 60]
        shift = extent(view.images["tir"]) - (35, 20, 30, 60)
        assert np.abs(shift[:2]).max() <= 4 and (shift[2:] == 0).all()
        shifts.add(tuple(shift[:2]))
    assert len(shifts) > 15


def test_photometric_changes_keep_shape_and_type_and_zero_strength_keeps_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    config = AugmentConfig(color=0.5, noise=8)
    for channels in (1, 3):
        part = np.ascontiguousarray(image[..., :channels])
        for seed in range(20):
            changed = photometric(part, config, 0.5, seed % 2 == 0, np.random.default_rng(seed))
            assert changed.shape == part.shape and changed.dtype == np.uint8
            assert (changed != part).any()
        same = photometric(part, PLAIN, 0.0, False, np.random.default_rng(0))
        assert np.abs(same.astype(int) - part).max() <= 1  # the tables round down


def test_gray_has_no_color() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    gray = photometric(
        image, dataclasses.replace(PLAIN, color=0.5), 0, True, pair_generator(0, 0, 0)
    )
    assert (gray == gray[..., :1]).all()


def test_modalities_are_dropped_as_often_as_asked() -> None:
    config = AugmentConfig(black=0.1, frozen=0.2, noisy=0.3, obscured=0.15)
    dropouts = [ModalityDropout.draw(config, pair_generator(0, 0, index)) for index in range(4000)]
    for mode, share in (("black", 0.1), ("frozen", 0.2), ("noisy", 0.3), ("obscured", 0.15)):
        selected = [dropout for dropout in dropouts if dropout is not None and dropout.mode == mode]
        assert len(selected) / 4000 == pytest.approx(share, abs=0.02)
        assert sum(d.modality == "rgb" for d in selected) / len(selected) == pytest.approx(
            0.5, abs=0.06
        )


def test_a_noisy_image_hides_the_target() -> None:
    image = marked_crop().images["tir"]
    for seed in range(5):
        noisy = corrupt(image, "noisy", np.random.default_rng(seed)).astype(float)
        inside, outside = noisy[75:125, 90:110], noisy[:60]
        assert inside.std() > 40
        assert abs(inside.mean() - outside.mean()) < 1.2 * outside.std()
    assert not corrupt(image, "black", np.random.default_rng(0)).any()


def test_clouds_hide_the_target_and_differ_each_time() -> None:
    image = marked_crop().images["rgb"]
    levels = []
    for seed in range(20):
        obscured = corrupt(image, "obscured", np.random.default_rng(seed)).astype(float)
        assert obscured.shape == image.shape
        inside, around = obscured[75:125, 90:110].mean(), obscured[60:140, 70:130].mean()
        assert abs(inside - around) < 30  # of 255
        levels.append(obscured.mean())
    assert np.ptp(levels) > 100


# --- anchors ------------------------------------------------------------------------------------


def iou_loop(a: np.ndarray, b: np.ndarray) -> float:
    """Of two boxes cx, cy, w, h."""
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    overlap = max(w, 0) * max(h, 0)
    return overlap / (a[2] * a[3] + b[2] * b[3] - overlap)


@pytest.mark.parametrize("seed", range(6))
def test_anchor_targets_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = TargetConfig(positives=4, total=24)
    anchors, size = AnchorConfig(scales=(5.0,)), 9
    box = np.array([*rng.uniform(-30, 30, 2), *rng.uniform(25, 60, 2)])
    targets = AnchorTargets(config, anchors, size).assign(box, False, pair_generator(seed, 0, 0))
    boxes = anchor_boxes(anchors, size).reshape(5, size, size, 4)
    positives = background = candidates = 0
    for k in range(5):
        for row in range(size):
            for column in range(size):
                anchor, label = boxes[k, row, column], targets.labels[k, row, column]
                overlap = iou_loop(anchor, box)
                candidates += overlap > 0.6
                assert label != 1 or overlap > 0.6
                assert label != 0 or overlap < 0.3
                positives += label == 1
                background += label == 0
                wanted = [
                    (box[0] - anchor[0]) / anchor[2],
                    (box[1] - anchor[1]) / anchor[3],
                    np.log(box[2] / anchor[2]),
                    np.log(box[3] / anchor[3]),
                ]
                assert np.allclose(targets.loc[:, k, row, column], wanted, atol=1e-5)
    assert positives == min(candidates, 4)
    assert background == 20


def test_the_best_anchor_counts_where_none_is_good_enough() -> None:
    anchors = AnchorConfig(ratios=(1.0,), scales=(4.0,))
    thin = np.array([1.0, 2, 60, 9])
    plain = AnchorTargets(TargetConfig(), anchors, 9).assign(thin, False, pair_generator(0, 0, 0))
    assert (plain.labels == 1).sum() == 0
    config = TargetConfig(best_is_positive=True)
    best = AnchorTargets(config, anchors, 9).assign(thin, False, pair_generator(0, 0, 0))
    boxes = anchor_boxes(anchors, 9)
    overlaps = [iou_loop(anchor, thin) for anchor in boxes]
    chosen = np.flatnonzero(best.labels.ravel() == 1)
    assert len(chosen) >= 1
    assert all(overlaps[index] == pytest.approx(max(overlaps)) for index in chosen)


def test_a_negative_pair_has_background_near_the_other_target_only() -> None:
    config = TargetConfig(negative_pair_anchors=12)
    targets = AnchorTargets(config, AnchorConfig(), 25)
    for center in ((0.0, 0.0), (60.0, -70.0), (300.0, 0.0)):
        labelled = targets.assign([*center, 50, 50], True, pair_generator(0, 0, 1))
        _, rows, columns = np.nonzero(labelled.labels == 0)
        assert (labelled.labels == 1).sum() == 0 and len(rows) == 12
        inside = np.clip(center, -96, 96)
        assert np.abs((columns - 12) * 8 - inside[0]).max() <= 28
        assert np.abs((rows - 12) * 8 - inside[1]).max() <= 28 or abs(center[0]) > 96


# --- whole pairs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    return pair_dataset(tiny_experiment(write_set(tmp_path_factory.mktemp("set")), negative=0.3))


def equal(a: dict, b: dict) -> bool:
    if a.keys() != b.keys():
        return False
    return all(
        equal(a[key], b[key]) if isinstance(a[key], dict) else np.array_equal(a[key], b[key])
        for key in a
    )


def test_a_pair_depends_on_seed_epoch_and_index_alone(dataset: PairDataset) -> None:
    forward = [dataset[1, index] for index in range(6)]
    backward = [dataset[1, index] for index in reversed(range(6))]
    assert all(equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))
    assert not equal(dataset[0, 0], dataset[1, 0])
    assert not equal(dataset[1, 0], dataset[1, 1])
    other = PairDataset.__new__(PairDataset)
    other.__dict__ = {**dataset.__dict__, "seed": dataset.seed + 1}
    assert not equal(dataset[0, 0], other[0, 0])


def test_shapes_and_labels(dataset: PairDataset) -> None:
    for index in range(40):
        item = dataset[0, index]
        for name in ("rgb", "tir"):
            assert item["template"][name].shape == (3, 47, 47)
            assert item["search"][name].shape == (3, 79, 79)
            assert item["search"][name].dtype == np.uint8
        assert item["labels"].shape == (3, 3, 7, 7) and item["labels"].dtype == np.int8
        assert item["loc"].shape == (4, 3, 7, 7)
        assert ((item["labels"][2] == 1).sum() == 0) == bool(item["negative"])


def pair_of(dataset: PairDataset, index: int, augment: AugmentConfig) -> Pair:
    """Pair number ``index``; what is drawn before any change does not depend on ``augment``."""
    other = PairDataset.__new__(PairDataset)
    other.__dict__ = {**dataset.__dict__, "augment": augment}
    return other.pair(pair_generator(dataset.seed, 0, index))


def test_masked_targets_are_pasted_into_the_search_crop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate("abc"):
        data_trees.image(tmp_path / "images" / f"{name}.jpg", number)
        data_trees.mask(tmp_path / "masks" / f"{name}.png", [2, 2, 12, 12], value=1)
    labels = {f"{name}.jpg": [[2, 2, 12, 12]] for name in "abc"}
    (tmp_path / "boxes.json").write_text(json.dumps(labels))
    config = tiny_experiment(tmp_path, sources=[{"dataset": "boxed_images"}], negative=0, paste=1)
    pasting = pair_dataset(config)
    marked = View({name: np.full((79, 79, 3), 9, np.uint8) for name in MODALITIES}, None, BOX)
    monkeypatch.setattr(pairs, "paste", lambda target, scene, rng: marked)
    pair = pair_of(pasting, 0, PLAIN)
    assert all(np.ptp(image) == 0 for image in pair.search.images.values())
    assert all(np.ptp(image) > 0 for image in pair.template.images.values())


@pytest.mark.parametrize("mode", ["black", "frozen", "noisy", "obscured"])
def test_the_branch_of_a_dropped_modality_is_not_taught_where_the_target_is(
    dataset: PairDataset, mode: str
) -> None:
    augment = dataclasses.replace(PLAIN, **{mode: 1.0})
    dropping = PairDataset.__new__(PairDataset)
    dropping.__dict__ = {**dataset.__dict__, "augment": augment}
    names = set()
    for index in range(20):
        item = dropping[0, index]
        pair = dropping.pair(pair_generator(dropping.seed, 0, index))
        assert pair.dropout is not None
        name = pair.dropout.modality
        names.add(name)
        row = ("rgb", "tir").index(name)
        labels = item["labels"][row]
        assert (labels == 1).sum() == 0
        assert (labels == 0).any() == (mode != "frozen")
        assert (item["labels"][1 - row] == item["labels"][2]).all()
        if mode == "black":
            assert not item["search"][name].any()
        plain = pair_of(dataset, index, PLAIN).template.images[name]
        changed = np.abs(pair.template.images[name].astype(int) - plain).mean() > 10
        assert changed == (mode == "obscured")
    assert names == {"rgb", "tir"}


def test_visible_only_material_gets_a_thermal_channel_and_one_look_per_pair(
    tmp_path: Path,
) -> None:
    root = write_set(tmp_path)
    (root / "rgb_only.yaml").write_text("rgb: color\nboxes: [groundtruth.txt]\n")
    config = tiny_experiment(
        root,
        sources=[{"dataset": str(root / "rgb_only.yaml"), "folder": "."}],
        augment={name: getattr(PLAIN, name) for name in PLAIN.__dataclass_fields__},
        negative=0.0,
    )
    dataset = pair_dataset(config)
    correlations = []
    for index in range(12):
        pair = dataset.pair(pair_generator(0, 0, index))
        small = cv2.resize(pair.search.images["tir"][16:63, 16:63], (47, 47))
        template = pair.template.images["tir"][..., 0]
        assert small.std() > 1 and pair.search.images["tir"].shape == (79, 79, 1)
        correlations.append(np.corrcoef(small.ravel(), template.ravel())[0, 1])
    assert np.mean(correlations) > 0.5


def test_thermal_only_material_trains_without_the_visible_branch(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "tir_only.yaml").write_text("tir: ir\nboxes: [groundtruth.txt]\n")
    sources = [{"dataset": str(root / "tir_only.yaml")}]
    item = pair_dataset(tiny_experiment(root, sources=sources, negative=0.0))[0, 0]
    assert not item["template"]["rgb"].any() and item["search"]["tir"].any()
    assert (item["labels"][0] == -1).all()
    assert (item["labels"][1] == 1).any()


def test_thermal_only_material_may_get_a_visible_image_in_other_tones(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    (root / "tir_only.yaml").write_text("tir: ir\nboxes: [groundtruth.txt]\n")
    sources = [{"dataset": str(root / "tir_only.yaml"), "pseudo_visible": True}]
    dataset = pair_dataset(tiny_experiment(root, sources=sources, negative=0.0))
    item = dataset[0, 0]
    assert item["template"]["rgb"].std() > 1 and item["search"]["rgb"].shape == (3, 79, 79)
    assert (item["labels"] == 1).any(axis=(1, 2, 3)).all()
    pair = dataset.pair(pair_generator(0, 0, 0))
    rgb, tir = (pair.search.images[name].mean(2) for name in ("rgb", "tir"))
    assert not np.allclose(rgb, tir, atol=20)


def test_the_preview_shows_every_pair(dataset: PairDataset) -> None:
    preview = preview_pairs(dataset, seed=3, rows=2, columns=3)
    tile_height, tile_width = 2 * 79 + 4, 47 + 79 + 4
    assert preview.shape == (2 * tile_height, 3 * tile_width, 3) and preview.dtype == np.uint8
    first = dataset.pair(pair_generator(3, 0, 0))
    assert (preview[80, :47] == 0).sum() < preview[80, :47].size
    assert first.template.images["rgb"].shape == (47, 47, 3)
