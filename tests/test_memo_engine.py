"""The engine with a memory answers as the engine that it asks, and asks no more than it must."""

from __future__ import annotations

import numpy as np
import pytest
from stub_network import DiscEngine, disc_frame, disc_tracker

from rgbt_track.models.engines.interface import BranchResponse
from rgbt_track.models.engines.memo_engine import MemoEngine
from rgbt_track.tracking.tracker import Tracker


class SumEngine:
    """Every answer names all that went into it: features are a crop's sum, responses add them."""

    def __init__(self):
        self.asked = []

    def template(self, crops, target=None):
        self.asked.append("template")
        return {name: float(crop.sum()) for name, crop in crops.items()}

    def blend(self, first, present, rate):
        both = {name: (1 - rate) * first[name] + rate * present[name] for name in present}
        return {**first, **both}

    def search(self, template, crops):
        self.asked.append("search")
        return {
            name: BranchResponse(
                np.full((2, 1, 1, 1), template[name]), np.full((4, 1, 1, 1), float(crop.sum()))
            )
            for name, crop in crops.items()
            if name in template
        }


def crops(*values, names=("rgb", "tir")):
    return {
        name: np.full((1, 3, 4, 4), value, np.float32)
        for name, value in zip(names, values, strict=True)
    }


def numbers(responses):
    return {name: (part.cls.flat[0], part.loc.flat[0]) for name, part in responses.items()}


def test_a_whole_run_is_the_same_and_the_second_asks_for_nothing():
    plain = disc_tracker(template_update_every=2)
    memo = MemoEngine(DiscEngine(), 10**8)
    tracker = Tracker(memo, plain.config)
    for asked in (True, False):
        frame = disc_frame(100, 90, 12)
        states = [engine.init(frame, frame, [88, 78, 24, 24]) for engine in (plain, tracker)]
        calls, hits = memo.calls, memo.hits
        for index in range(1, 6):
            rgb, tir = disc_frame(100 + 3 * index, 90, 12), disc_frame(100 + 3 * index, 91, 12)
            states = [
                item.update(rgb, tir, state)
                for item, state in zip((plain, tracker), states, strict=True)
            ]
            assert np.array_equal(states[0].box, states[1].box)
            assert states[0].score == states[1].score
        assert memo.calls - calls == 5
        assert memo.hits - hits == (0 if asked else 5)


def test_an_answer_depends_on_the_template_and_on_every_crop():
    engine = SumEngine()
    memo = MemoEngine(engine, 10**6)
    first, other = memo.template(crops(1, 2)), memo.template(crops(1, 3))
    cases = [
        (first, crops(5, 6)),
        (other, crops(5, 6)),
        (first, crops(5, 7)),
        (first, crops(6, 5)),
        (first, crops(5, names=["rgb"])),
        (first, crops(5, names=["tir"])),
        ({"rgb": first["rgb"]}, crops(5, 6)),
        (memo.blend(first, other, 0.25), crops(5, 6)),
        (memo.blend(first, other, 0.5), crops(5, 6)),
        (memo.blend(first, {"rgb": other["rgb"]}, 0.5), crops(5, 6)),
    ]
    for turn in range(2):
        for template, inputs in cases:
            bare = {name: branch.features for name, branch in template.items()}
            expected = numbers(SumEngine().search(bare, inputs))
            assert numbers(memo.search(template, inputs)) == expected
        assert engine.asked.count("search") == len(cases), turn
    assert (memo.calls, memo.hits) == (2 * len(cases), len(cases))


def test_templates_are_remembered_too():
    engine = SumEngine()
    memo = MemoEngine(engine, 10**6)
    assert memo.template(crops(1, 2)) == memo.template(crops(1, 2)) != memo.template(crops(2, 1))
    assert engine.asked == ["template"] * 2


@pytest.mark.parametrize("max_bytes", [0, 700, 3000, 9000])
def test_memory_is_bounded_and_answers_stay_right(max_bytes):
    memo = MemoEngine(SumEngine(), max_bytes)
    template = memo.template(crops(1, 2))
    for _ in range(3):
        for value in range(9):
            expected = {"rgb": (48.0, 48.0 * value), "tir": (96.0, 48.0)}
            assert numbers(memo.search(template, crops(value, 1))) == expected
            assert memo._bytes == sum(size for _, size in memo._answers.values()) <= max_bytes
    assert memo.calls == 27 and (memo.hits > 0) == (max_bytes == 9000)


def test_an_answer_cannot_be_changed_by_whoever_gets_it():
    memo = MemoEngine(SumEngine(), 10**6)
    template = memo.template(crops(1, 2))
    responses = memo.search(template, crops(3, 4))
    with pytest.raises(ValueError, match="read-only"):
        responses["rgb"].cls[0] = 7
    del responses["rgb"]
    assert set(memo.search(template, crops(3, 4))) == {"rgb", "tir"}
