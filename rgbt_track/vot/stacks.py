"""Experiment stacks: one whose EAO interval fits the sequences, or the challenge's own.

VOT-RGBT2019/2020 average the expected overlap curve over 115..755 frames, which covers the usual
lengths of their sequences. Where sequences end earlier, the curve is empty there and even a
perfect tracker scores almost nothing. ``eao_interval`` keeps the proportion of both limits and
puts the upper one at the shortest sequence. The stock stacks also run in real time (a tracker
slower than the video's rate loses frames); ours shows the tracker every frame, and its experiment
has a name of its own, so that results of the two are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable

from rgbt_track.resources import check_choice

CHALLENGE_LOW, CHALLENGE_HIGH = 115, 755
STOCK_STACKS = ("vot2020/rgbtir", "vot2019/rgbtir")
EXPERIMENT = "everyframe"

_STACK = """\
title: RGB-T, every frame, EAO over {low}..{high} frames
experiments:
  {experiment}:
    type: multistart
    analyses:
      - type: multistart_average_ar
        name: accuracy and robustness
      - type: multistart_eao_score
        name: expected average overlap
        low: {low}
        high: {high}
      - type: multistart_eao_curve
        name: expected average overlap by length
        high: {high}
"""


def eao_interval(lengths: Iterable[int]) -> tuple[int, int]:
    """Limits of the EAO average, in frames after the start, for sequences of these lengths.

    The upper one is the shortest length, at most the challenge's 755; the lower one is the same
    share of it as in the challenge. A perfect tracker then scores 1.
    """
    high = min([CHALLENGE_HIGH, *lengths])
    return max(round(high * CHALLENGE_LOW / CHALLENGE_HIGH), 1), high


def stack_yaml(low: int, high: int) -> str:
    """The text of a stack that runs from anchors without a time limit."""
    return _STACK.format(low=low, high=high, experiment=EXPERIMENT)


def stock_stack(name: str) -> str | None:
    """The toolkit's name of a challenge stack, ``None`` for ``"auto"``.

    ``"vot2020"`` is short for ``"vot2020/rgbtir"``. Raises ``ValueError`` for another name.
    """
    full_names = {stock.split("/")[0]: stock for stock in STOCK_STACKS}
    name = full_names.get(name, name)
    check_choice("unknown stack", name, ("auto", *STOCK_STACKS))
    return None if name == "auto" else name
