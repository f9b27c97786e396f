"""The engine of a network, by name."""

from __future__ import annotations

import torch

from rgbt_track.config.tracker import Config
from rgbt_track.models.engines.choice import choose_engine
from rgbt_track.models.engines.graph_source import GraphSource, create_graph_engine
from rgbt_track.models.engines.interface import Engine
from rgbt_track.models.engines.torch_engine import TorchEngine
from rgbt_track.models.network import RGBTNetwork


def create_engine(
    network: RGBTNetwork,
    config: Config,
    device: str | torch.device = "cpu",
    engine: str = "auto",
    precision: str = "fp32",
) -> Engine:
    """An engine for a network that is ready to track; arguments and errors as ``choose_engine``."""
    engine = choose_engine(engine, precision, device, is_learned=config.model.has_graphs)
    threads = config.tracking.threads
    if engine == "torch":
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        return TorchEngine(network, device, threads, dtype)
    source = GraphSource(lambda: network, config.tracking.template_size)
    return create_graph_engine(source, config, engine, precision)
