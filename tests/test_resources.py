"""Choices are refused in one line that says what is valid."""

from __future__ import annotations

import pytest

from rgbt_track.resources import check_choice


def test_a_choice_is_one_of_the_valid_ones() -> None:
    check_choice("unknown fusion", "mean", {"mean": 1, "llrr": 2})
    with pytest.raises(ValueError) as caught:
        check_choice("unknown fusion", "lrrr", {"mean": 1, "llrr": 2})
    assert str(caught.value) == "unknown fusion 'lrrr', did you mean 'llrr'?; valid: mean, llrr"
    with pytest.raises(ValueError, match="unknown fusion 3; valid: mean"):
        check_choice("unknown fusion", 3, ["mean"])


def test_few_of_many_choices_are_shown_and_none_is_said() -> None:
    with pytest.raises(ValueError, match=r"valid: s0, s1, .*, s39, and 1160 more$"):
        check_choice("no sequence", "x", [f"s{number}" for number in range(1200)])
    with pytest.raises(ValueError, match="no split 'x'; valid: none"):
        check_choice("no split", "x", [])
