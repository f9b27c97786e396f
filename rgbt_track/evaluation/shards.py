"""A share of an evaluation, for one of many machines that fill one results folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rgbt_track.evaluation.runner import TrackingJob


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``count``, from 1 on."""

    number: int = 1
    count: int = 1

    def select(self, jobs: Iterable[TrackingJob]) -> list[TrackingJob]:
        """The jobs of this part: the same on every machine, and parts of about equal length.

        The longest sequences are dealt out first, in turn; every job is in exactly one part.
        """
        dealt = sorted(jobs, key=lambda job: (-len(job.sequence), job.path.name))
        return dealt[self.number - 1 :: self.count]


def parse_shard(text: str) -> Shard:
    """``"2/8"`` as a shard; ``ValueError`` for any other form."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(f"--shard is {text!r}; expected I/N with I from 1 to N, for instance 2/8")
    return Shard(number, count)
