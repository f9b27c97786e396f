"""What the optimizer is given: which parameters decay, and at which rate each part learns."""

from __future__ import annotations

from pathlib import Path

import torch
from training_material import tiny_experiment

from rgbt_track.config.training import OptimizerConfig
from rgbt_track.models.build import build_network
from rgbt_track.training.stages import parameter_groups


def test_only_weights_of_layers_decay() -> None:
    """No bias, no batch norm, no mean over levels, no threshold or step of LLRR."""
    network = build_network(tiny_experiment(Path()).model, seed=0)
    groups = parameter_groups(network, OptimizerConfig(weight_decay=0.25))
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    parameters = dict(network.named_parameters())
    assert len(decay) == sum(len(group["params"]) for group in groups) == len(parameters)
    layers = (torch.nn.Conv2d, torch.nn.Linear)
    weights = {
        f"{name}.weight" for name, module in network.named_modules() if isinstance(module, layers)
    }
    decaying = {name for name, parameter in parameters.items() if decay[id(parameter)] == 0.25}
    assert decaying == weights
    kept = {name.rpartition(".")[2] for name in parameters if decay[id(parameters[name])] == 0}
    assert {"bias", "theta", "lam"} <= kept


def test_parts_learn_at_their_own_rates() -> None:
    network = build_network(tiny_experiment(Path()).model, seed=0)
    rates = {"backbone": 0.1, "neck": 0.5, "fusion": 2.0}
    groups = parameter_groups(network, OptimizerConfig(**rates))
    factor = {id(p): group["factor"] for group in groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        assert factor[id(parameter)] == rates.get(name.split(".")[0], 1.0), name
