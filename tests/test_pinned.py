"""Results are those of ``pinned/reference.json``: moved code must not change what it computes.

The package ``pinned`` says how they were computed, with which builds of torch and OpenCV, and how
to write them anew. Integers, names and texts must be equal; floats within tolerances that have a
factor of ten to spare: on one machine, two threads or no vector instructions moved boxes by 2e-5
pixels, losses by 1e-5 and responses by 2e-5 of themselves.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pinned.boxes import SCENARIOS, boxes, responses
from pinned.scores import BENCHMARKS, benchmark_scores, folder_scores
from pinned.synthetic import pictures
from pinned.training import fused, losses, packed, pseudo_boxes

REFERENCE = Path(__file__).parent / "pinned" / "reference.json"
PINNED: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
CASES = [(tracker, name) for tracker, cases in SCENARIOS.items() for name in cases]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The synthetic sequences' folder, and their summary."""
    folder = tmp_path_factory.mktemp("pinned") / "sequences"
    return folder, pictures(folder)


@pytest.fixture(scope="module")
def sequences(drawn: tuple[Path, dict[str, Any]]) -> Path:
    return drawn[0]


@pytest.fixture(scope="module")
def store(sequences: Path) -> tuple[Path, dict[str, Any]]:
    """A store of packed crops, and its summary."""
    file = sequences.parent / "plain.lmdb"
    return file, packed(sequences, file)


def assert_same(found: Any, pinned: Any, absolute: float, relative: float, where: str = "") -> None:
    """Equal in every part; floats within ``absolute + relative * |pinned|``."""
    if isinstance(pinned, dict):
        assert list(found) == list(pinned), where
        for key in pinned:
            assert_same(found[key], pinned[key], absolute, relative, f"{where}/{key}")
    elif isinstance(pinned, list):
        assert len(found) == len(pinned), where
        for index, (one, other) in enumerate(zip(found, pinned, strict=True)):
            assert_same(one, other, absolute, relative, f"{where}/{index}")
    elif isinstance(pinned, float):
        assert abs(found - pinned) <= absolute + relative * abs(pinned), (where, found, pinned)
    else:
        assert found == pinned, (where, found, pinned)


def test_the_same_sequences_are_drawn(drawn: tuple[Path, dict[str, Any]]) -> None:
    assert_same(drawn[1], PINNED["pictures"], 0.02, 1e-3)


@pytest.mark.parametrize(("tracker", "name"), CASES)
def test_boxes_and_scores(sequences: Path, tracker: str, name: str) -> None:
    found = boxes(sequences, tracker, SCENARIOS[tracker][name])
    assert_same(found, PINNED["boxes"][tracker][name], 1e-3, 0)


@pytest.mark.parametrize("name", ["thermal drops out", "template update", "wide search"])
def test_boxes_and_scores_by_openvino(sequences: Path, name: str) -> None:
    found = boxes(sequences, "lrrtrack_lite", SCENARIOS["lrrtrack_lite"][name], "openvino")
    assert_same(found, PINNED["boxes"]["lrrtrack_lite"][name], 1e-3, 0)


def test_every_scenario_shows_something_of_its_own() -> None:
    """If two of a tracker gave the same boxes, one would hold nothing."""
    for tracker, cases in PINNED["boxes"].items():
        assert list(cases) == list(SCENARIOS[tracker])
        for (name, one), (other, two) in itertools.combinations(cases.items(), 2):
            same = len(one) == len(two) and np.abs(np.subtract(one, two)).max() < 0.01
            assert not same, (tracker, name, other)


def test_responses_of_the_resnet_tracker() -> None:
    found, pinned = responses(), PINNED["responses"]
    assert list(found) == list(pinned)
    for branch, parts in pinned.items():
        for part, values in parts.items():
            assert_same(found[branch][part], values, 3e-4 * np.abs(values).max(), 0, branch)


def test_content_of_a_packed_store(store: tuple[Path, dict[str, Any]]) -> None:
    pinned = PINNED["packed"]
    exact = ("keys", "job", "meta", "frames", "fill")
    assert {name: store[1][name] for name in exact} == {name: pinned[name] for name in exact}
    assert_same(store[1]["boxes"], pinned["boxes"], 1e-4, 0)
    assert_same(store[1]["crops"], pinned["crops"], 0.02, 1e-3)


def test_pseudo_boxes_of_unlabelled_images(sequences: Path, tmp_path: Path) -> None:
    assert_same(pseudo_boxes(sequences, tmp_path), PINNED["pseudo_boxes"], 1e-4, 0)


def test_losses_of_a_short_training(
    sequences: Path, store: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    found = losses(sequences, store[0], tmp_path / "training")
    assert_same(found, PINNED["losses"], 1e-6, 1e-4)


def test_a_fused_picture_and_its_metrics(sequences: Path, tmp_path: Path) -> None:
    found, pinned = fused(sequences, tmp_path / "fused"), PINNED["fused"]
    assert_same(found["picture"], pinned["picture"], 0.05, 1e-3)
    for row, expected in zip(found["metrics"], pinned["metrics"], strict=True):
        assert list(row) == list(expected) and row.pop("name") == expected.pop("name")
        for metric, value in expected.items():
            assert float(row[metric]) == pytest.approx(float(value), rel=2e-3), metric


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_benchmark_scores_by_every_rule_set(benchmark: str) -> None:
    assert_same(benchmark_scores(benchmark), PINNED["benchmark_scores"][benchmark], 1e-9, 0)


def test_scores_of_a_results_folder_by_every_rule_set(sequences: Path, tmp_path: Path) -> None:
    assert_same(folder_scores(sequences, tmp_path), PINNED["folder_scores"], 1e-9, 0)
