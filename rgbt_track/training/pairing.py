"""From an experiment to its training pairs; needs neither Lightning nor a network."""

from __future__ import annotations

from rgbt_track.config import Config
from rgbt_track.data.pairs import PairDataset
from rgbt_track.data.targets import AnchorTargets
from rgbt_track.models.network import grid_cells
from rgbt_track.training.sources import open_sampler


def pair_dataset(config: Config) -> PairDataset:
    """All training pairs of an experiment; errors of its sources in one line."""
    cells = grid_cells(config.tracking.search_size, config.model.anchors.stride)
    training = config.training
    if training.store.context != config.tracking.context:
        raise ValueError(
            f"training.store.context is {training.store.context}, tracking.context "
            f"{config.tracking.context}: they must be equal"
        )
    return PairDataset(
        open_sampler(training),
        training.augment,
        AnchorTargets(
            training.targets, config.model.anchors, cells - config.model.template_cells + 1
        ),
        config.tracking,
        training.seed,
    )
