"""Learning rate over a run: linear warm-up, then SiamRPN++'s log decay, a cosine, or a constant."""

from __future__ import annotations

import math

from rgbt_track.config.training import OptimizerConfig


def learning_rate(config: OptimizerConfig, epoch: float, epochs: float) -> float:
    """The heads' learning rate at a time in (fractional) epochs, of a run of ``epochs``.

    Log decay is a straight line in the logarithm of the rate, as in pysot; here it is evaluated at
    every step instead of once per epoch.
    """
    if epoch < config.warmup_epochs:
        progress = epoch / config.warmup_epochs
        return config.warmup_lr + (config.lr - config.warmup_lr) * progress
    progress = min((epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1e-9), 1.0)
    if config.schedule == "constant":
        return config.lr
    if config.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * progress))
        return config.final_lr + (config.lr - config.final_lr) * factor
    return config.lr * (config.final_lr / config.lr) ** progress
