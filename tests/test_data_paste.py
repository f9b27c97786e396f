from __future__ import annotations

import numpy as np
import pytest

from rgbt_track.config.pairs import SourceConfig, StoreConfig
from rgbt_track.pairs.augment import View
from rgbt_track.pairs.copy_paste import paste
from rgbt_track.pairs.crop_store import StoredCrop, Track
from rgbt_track.pairs.sampler import PairSampler, pair_generator

SIZE = 100


class Stub:
    """Tracks without pixels; the first has masks."""

    geometry = StoreConfig(size=SIZE)
    tracks = tuple(
        Track(name, np.arange(3), np.ones((3, 4)), ("rgb",), name == "masked", name)
        for name in ("masked", "bare", "other")
    )

    def read(self, track: int, position: int) -> StoredCrop:
        raise NotImplementedError


def view(box: tuple[int, int, int, int], level: int, ground: int, masked: bool = True) -> View:
    x, y, w, h = box
    mask = np.zeros((SIZE, SIZE), bool)
    mask[y : y + h, x : x + w] = True
    rgb = np.where(mask[..., None], level, ground).astype(np.uint8).repeat(3, 2)
    return View({"rgb": rgb, "tir": rgb[..., :1].copy()}, mask if masked else None, np.array(box))


def test_the_target_is_seen_before_the_other_scene_with_a_tight_box() -> None:
    scene = view((10, 10, 30, 30), 90, 40)
    boxes = []
    for seed in range(30):
        pasted = paste(view((40, 30, 20, 40), 250, 120), scene, np.random.default_rng(seed))
        x, y, w, h = pasted.box
        for image in pasted.images.values():
            bright = image[..., 0] > 145  # half target, half ground: the soft edge's middle
            rows, columns = np.nonzero(bright)
            found = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
            assert np.abs(np.array(found) - pasted.box).max() <= 2
            assert image[5, 5, 0] == 40 and image[95, 95, 0] == 40  # not the target's own ground
        assert np.allclose((x + w / 2, y + h / 2), (50, 50), atol=0.01)  # it is symmetric
        boxes.append(pasted.box)
    assert np.std(boxes, axis=0)[2:].min() > 1  # shapes differ


def test_targets_are_turned() -> None:
    """A bar's ends lie to either side of its middle."""
    slopes = []
    for seed in range(20):
        bar = view((45, 20, 10, 60), 250, 120)
        mask = paste(bar, view((1, 1, 3, 3), 40, 40), np.random.default_rng(seed)).mask
        assert mask is not None
        rows, columns = np.nonzero(mask)
        slopes.append(np.degrees(np.arctan(np.polyfit(rows, columns, 1)[0])))
    assert 10 < np.max(slopes) < 17 and -17 < np.min(slopes) < -10


def test_a_target_that_reaches_out_of_its_view_stays_there() -> None:
    target = view((40, 30, 20, 40), 250, 120)
    outside = View(target.images, target.mask, np.array([-5.0, 30, 65, 40]))
    scene = view((60, 60, 10, 10), 40, 40)
    assert paste(outside, scene, np.random.default_rng(0)) is outside


def test_what_lies_outside_of_the_box_is_not_pasted() -> None:
    target = view((40, 30, 20, 40), 250, 120)
    assert target.mask is not None
    target.mask[:10, :10] = True
    target.images["rgb"][:10, :10] = 250
    scene = view((60, 60, 10, 10), 40, 40)
    pasted = paste(target, scene, np.random.default_rng(0))
    assert (pasted.images["rgb"][:12, :12] == 40).all() and pasted.box[3] < 60


@pytest.mark.parametrize("masked", [False, True])
def test_without_a_usable_mask_the_view_stays(masked: bool) -> None:
    target = view((50, 50, 2, 2), 250, 120, masked)
    assert paste(target, view((10, 10, 9, 9), 9, 9), np.random.default_rng(0)) is target


def test_a_modality_that_the_scene_lacks_is_lost() -> None:
    scene = view((10, 10, 30, 30), 90, 40)
    del scene.images["tir"]
    pasted = paste(view((40, 30, 20, 40), 250, 120), scene, np.random.default_rng(0))
    assert set(pasted.images) == {"rgb"}
    target = view((40, 30, 20, 40), 250, 120)
    del target.images["tir"], scene.images["rgb"]
    scene.images["tir"] = target.images["rgb"][..., :1]
    assert paste(target, scene, np.random.default_rng(0)) is target


def test_the_sampler_pastes_masked_targets_into_other_tracks_as_often_as_asked() -> None:
    sampler = PairSampler([Stub()], [SourceConfig(lmdb="x")], negative=0.2, paste=0.5)
    found = [sampler.draw(pair_generator(0, 0, index)) for index in range(3000)]
    masked = [draw for draw in found if draw.template.track == 0 and not draw.negative]
    pasted = [draw for draw in found if draw.background is not None]
    assert len(pasted) / len(masked) == pytest.approx(0.5, abs=0.05)
    for draw in pasted:
        assert draw.background is not None and not draw.negative
        assert draw.search.track == 0 and draw.background.track != 0
