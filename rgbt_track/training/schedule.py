"""Learning rate over a run: linear warm-up, then SiamRPN++'s log decay, a cosine, or a constant."""

from __future__ import annotations

import math

from rgbt_track.config.training import OptimizerConfig, TrainingConfig


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


def rate_factor(config: TrainingConfig, processes: int) -> float:
    """What the rates of a run are multiplied with: its pairs per step over ``lr_batch``.

    Linear scaling (Goyal et al., *Accurate, Large Minibatch SGD*, 2017); 1 without ``lr_batch``.
    """
    meant_for = config.optimizer.lr_batch
    return pairs_per_step(config, processes) / meant_for if meant_for else 1.0


def pairs_per_step(config: TrainingConfig, processes: int) -> int:
    """Pairs of one optimizer step, over all processes and accumulated batches."""
    return config.batch * config.accumulate * processes


def describe_rate(config: TrainingConfig, processes: int) -> str:
    """One line on the learning rate of a run, and how it was scaled."""
    rate, meant_for = config.optimizer.lr, config.optimizer.lr_batch
    pairs = f"{pairs_per_step(config, processes)} pairs a step (batch {config.batch}"
    pairs += f" x {processes} processes x accumulate {config.accumulate})"
    if not meant_for:
        return f"learning rate {rate:g} with {pairs}, not scaled (optimizer.lr_batch 0)"
    scaled = rate * rate_factor(config, processes)
    return f"learning rate {scaled:g} with {pairs}: {rate:g} is for {meant_for}"
