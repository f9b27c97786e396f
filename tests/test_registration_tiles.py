"""Tiles against a loop, the refinement from a known error, and the search's distinct answers."""

from __future__ import annotations

import numpy as np
from test_registration import MATRIX, TIR_SIZE, error, street, thermal_view

from rgbt_track.registration.coarse import Candidate, distinct
from rgbt_track.registration.refine import COARSE, FINE, Refiner
from rgbt_track.registration.tiles import Tiles, thermal_fields, visible_score


def test_correlations_of_tiles_are_those_of_a_loop() -> None:
    visible, thermal = street(3)
    tiles, reach = Tiles([visible], 60, 16, overlap=1.5), 2
    surfaces, part = tiles.correlations([thermal], tiles.to_small, reach)
    shift = np.array([[1, 0, reach], [0, 1, reach], [0, 0, 1.0]])
    window = tiles.size[0] + 2 * reach, tiles.size[1] + 2 * reach
    (moving,), inside = thermal_fields([thermal], shift @ tiles.to_small, window)
    floor = 0.4 * 16 * 16 * (moving**2).sum() / inside.sum()
    own_floor = 0.4 * 16 * 16 * (tiles.fields[0] ** 2).sum() / np.prod(tiles.size)
    for index, (x, y) in enumerate(tiles.places):
        own = tiles.fields[0][y : y + 16, x : x + 16]
        for dy in range(2 * reach + 1):
            for dx in range(2 * reach + 1):
                other = moving[y + dy : y + dy + 16, x + dx : x + dx + 16]
                energies = max((own**2).sum(), own_floor), max((other**2).sum(), floor)
                expected = (own * other).sum() / np.sqrt(energies[0] * energies[1])
                assert abs(surfaces[index, dy, dx] - expected) < 1e-3
    assert part == inside[reach:-reach, reach:-reach].mean()


def test_a_homography_a_few_pixels_off_is_refined() -> None:
    scenes = [street(seed) for seed in range(2)]
    rgb, tir = [scene[0] for scene in scenes], [thermal_view(scene[1]) for scene in scenes]
    off = MATRIX + np.array([[0.02, 0.02, 4], [-0.02, -0.02, -3], [0, 0, 0]])
    assert error(off) > 6
    refiner = Refiner(rgb, tir)
    coarse = refiner.refine(off, COARSE)
    fine = refiner.refine(coarse.matrix, FINE)
    assert error(fine.matrix) < 1.5 and fine.matrix[2, 2] == 1
    assert fine.score > refiner.refine(off, [FINE[0]._replace(steps=0)]).score


def test_the_best_of_those_that_differ_is_kept() -> None:
    def moved(score: float, x: float) -> Candidate:
        return Candidate(score, np.array([[1, 0, x], [0, 1, 0], [0, 0, 1.0]]))

    found = distinct([moved(0.2, 0), moved(0.5, 3), moved(0.4, 30), moved(0.1, 90)], TIR_SIZE, 8, 2)
    assert [candidate.score for candidate in found] == [0.5, 0.4]
    assert visible_score(np.full(4, 0.3, np.float32), 0.25) == np.float32(0.3) / 0.5
