from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rgbt_track.pairs.augment import View
from rgbt_track.pairs.occlusion import occlude

TEMPLATE_BOX = np.array([60.0, 40, 40, 80])
SEARCH_BOX = np.array([90.0, 60, 40, 80])


def noise(size: int, box: NDArray[np.floating], seed: int) -> View:
    """No two pixels of a column alike, so that a covered one shows."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return View({"rgb": pixels, "tir": pixels[..., :1] // 2}, None, box)


def covered(before: View, after: View, name: str) -> NDArray[np.bool_]:
    """(H, W): the smallest rectangle of the pixels that changed."""
    rows, columns = np.nonzero((before.images[name] != after.images[name]).any(axis=2))
    mask = np.zeros(before.images[name].shape[:2], bool)
    if len(rows):
        mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return mask


def share_of_target(mask: NDArray[np.bool_], box: NDArray[np.floating]) -> float:
    x, y, w, h = box.astype(int)
    return float(mask[y : y + h, x : x + w].mean())


def test_an_occluder_covers_a_part_of_the_target() -> None:
    in_template, in_search, poles = [], [], 0
    for seed in range(200):
        template, search = noise(160, TEMPLATE_BOX, 1), noise(220, SEARCH_BOX, 2)
        new_template, new_search = occlude(template, search, np.random.default_rng(seed))
        masks = [
            covered(before, after, "rgb")
            for before, after in ((template, new_template), (search, new_search))
        ]
        in_template.append(share_of_target(masks[0], TEMPLATE_BOX))
        in_search.append(share_of_target(masks[1], SEARCH_BOX))
        poles += bool(masks[0].all(axis=0).any())
        assert new_template.box is template.box and new_search.box is search.box
    assert max(in_template) < 0.65 and max(in_search) < 0.65
    assert 0.6 < np.mean(np.array(in_template) > 0) < 0.85  # three of four places
    assert 0.1 < np.mean(in_template) < 0.3
    assert 0.15 < np.mean(np.array(in_search) > 0) < 0.7  # mostly beside it
    assert 50 < poles < 100  # half of those in the template


def test_both_modalities_are_covered_in_one_place_and_the_views_are_left_alone() -> None:
    for seed in range(30):
        template, search = noise(160, TEMPLATE_BOX, 1), noise(220, SEARCH_BOX, 2)
        kept = {name: image.copy() for name, image in template.images.items()}
        result = occlude(template, search, np.random.default_rng(seed))
        again = occlude(template, search, np.random.default_rng(seed))
        for before, after, repeated in zip((template, search), result, again, strict=True):
            rgb, tir = covered(before, after, "rgb"), covered(before, after, "tir")
            # A row or column of the rectangle's edge may have had the tone of the occluder.
            assert abs(int(rgb.sum()) - int(tir.sum())) <= 0.1 * rgb.sum() and (rgb >= tir).all()
            for name, image in after.images.items():
                assert np.array_equal(image, repeated.images[name])
        for name, image in template.images.items():
            assert np.array_equal(image, kept[name])


def test_the_occluder_is_the_same_in_both_crops() -> None:
    """Where views and boxes are alike, so is the occluder in them, wherever it stands."""
    alike = 0
    for seed in range(60):
        template, search = noise(160, TEMPLATE_BOX, 1), noise(160, TEMPLATE_BOX, 2)
        after = occlude(template, search, np.random.default_rng(seed))
        patches = []
        for before, view in zip((template, search), after, strict=True):
            rows, columns = np.nonzero(covered(before, view, "tir"))
            if len(rows) and columns.min() > 0 and columns.max() < 159:
                middle = view.images["tir"][rows.min() : rows.max() + 1, columns.min()]
                patches.append(np.sort(np.unique(middle)))
        if len(patches) == 2 and all(len(patch) < 4 for patch in patches):  # both of one tone
            assert np.abs(patches[0].mean() - patches[1].mean()) < 8
            alike += 1
    assert alike > 3


def test_a_modality_that_one_view_lacks_is_no_error() -> None:
    template = noise(160, TEMPLATE_BOX, 1)
    thermal = replace(template, images={"tir": template.images["tir"]})
    for seed in range(20):
        after, search = occlude(thermal, noise(220, SEARCH_BOX, 2), np.random.default_rng(seed))
        assert set(after.images) == {"tir"} and set(search.images) == {"rgb", "tir"}
