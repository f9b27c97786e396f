"""The engine of a network, by name."""

from __future__ import annotations

from functools import partial

import torch

from rgbt_track.config.tracker import Config
from rgbt_track.models.engines.choice import choose_engine, create_runner
from rgbt_track.models.engines.graph_engine import BatchedGraphEngine
from rgbt_track.models.engines.graphs import NetworkGraphs
from rgbt_track.models.engines.interface import Engine
from rgbt_track.models.engines.onnx_graphs import onnx_model
from rgbt_track.models.engines.torch_engine import TorchEngine, weights_digest
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
    graphs = NetworkGraphs(network, config.tracking.template_size)

    def read(name: str, batch: int) -> bytes:
        return onnx_model(graphs.make(name, batch))

    runner = create_runner(engine, read, threads, precision)
    digest = partial(weights_digest, network)
    return BatchedGraphEngine(runner, network.branches, config.model.target_encoding, digest)
