"""What LLRR stacks have learned: thresholds of the low-rank and the sparse half, and step sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion_modules import LLRRStack
from fusion_modules.image import ImageFusion
from rgbt_track.io.files import atomic_path


@dataclass(frozen=True, eq=False)
class StackThresholds:
    """One stack's.

    Args:
        name: where the stack is in its network.
        low_rank: (n,) thresholds of L, the first half of the code.
        sparse: (n,) those of S.
        step: the scalar lambda.
    """

    name: str
    low_rank: NDArray[np.floating]
    sparse: NDArray[np.floating]
    step: float

    def __str__(self) -> str:
        halves = (("low-rank", self.low_rank), ("sparse", self.sparse))
        texts = [
            f"{name} {values.mean():.3f} ({values.min():.3f} to {values.max():.3f}, "
            f"{int((values <= 0).sum())} of {len(values)} not positive)"
            for name, values in halves
        ]
        return f"{self.name}: {', '.join(texts)}; lambda {self.step:.3f}"


def read_thresholds(network: ImageFusion) -> list[StackThresholds]:
    """The thresholds of every LLRR stack of a network, in its order; empty without stacks."""
    found = []
    for name, module in network.named_modules():
        if isinstance(module, LLRRStack):
            theta = module.theta.detach().double().numpy()[0]
            half = len(theta) // 2
            step = float(module.lam.detach())
            found.append(StackThresholds(name, theta[:half], theta[half:], step))
    return found


def draw_thresholds(stacks: list[StackThresholds], path: Path) -> None:
    """Draw each half's thresholds by size into a PNG, a panel per stack, whole or not at all."""
    from matplotlib.figure import Figure  # heavy, and only for this picture

    figure = Figure(figsize=(4.5 * len(stacks), 3), layout="constrained")
    panels = figure.subplots(1, len(stacks), squeeze=False)[0]
    for panel, stack in zip(panels, stacks, strict=True):
        for label, values in (("low-rank", stack.low_rank), ("sparse", stack.sparse)):
            panel.plot(np.sort(values)[::-1], label=label)
        panel.axhline(0, color="gray", linewidth=0.5)
        panel.set_title(f"{stack.name}, lambda {stack.step:.2f}", fontsize=9)
        panel.set_xlabel("channel, by size", fontsize=8)
        panel.set_ylabel("threshold", fontsize=8)
        panel.legend(fontsize=8)
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=100)
