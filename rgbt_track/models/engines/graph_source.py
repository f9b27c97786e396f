"""Where a runtime's graphs come from: the cache, or a network, which is built when it is needed.

Nothing here imports torch before something has to be traced.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from rgbt_track.config.tracker import Config
from rgbt_track.models.engines.choice import create_runner
from rgbt_track.models.engines.graph_cache import GraphCache
from rgbt_track.models.engines.graph_engine import BatchedGraphEngine

if TYPE_CHECKING:
    from rgbt_track.models.network import RGBTNetwork

_WEIGHTS_DIGEST = "weights"


class GraphSource:
    """The graphs of one network as ONNX.

    Args:
        build: makes the network, ready to track, on the CPU; called once, when it is needed.
        template_size: as ``NetworkGraphs`` takes it.
        cache: keeps graphs between processes, if given.
    """

    def __init__(
        self,
        build: Callable[[], RGBTNetwork],
        template_size: int,
        cache: GraphCache | None = None,
    ) -> None:
        self._build = build
        self._template_size = template_size
        self.cache = cache
        if cache is not None:
            cache.touch()

    @property
    def is_known(self) -> bool:
        """Whether the cache says that the network was built before, without an error."""
        return self.cache is not None and self.cache.read(_WEIGHTS_DIGEST) is not None

    def build(self) -> None:
        """Build the network now, and let the cache know its weights."""
        network = self.network
        if self.cache is not None:
            self.cache.write(_WEIGHTS_DIGEST, _digest(network))

    @cached_property
    def network(self) -> RGBTNetwork:
        """The network, built when it is first asked for."""
        return self._build()

    def read(self, name: str, batch: int = 1) -> bytes:
        """A graph, one of ``graph_engine.graph_names``, for a batch of targets.

        Raises as ``onnx_model``.
        """

        def trace() -> bytes:
            from rgbt_track.models.engines.graphs import NetworkGraphs
            from rgbt_track.models.engines.onnx_graphs import onnx_model

            return onnx_model(NetworkGraphs(self.network, self._template_size).make(name, batch))

        return self._kept(f"{name}_{batch}.onnx", trace)

    def digest(self) -> str:
        """The digest of the network's weights."""

        return self._kept(_WEIGHTS_DIGEST, lambda: _digest(self.network)).decode()

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        content = self.cache.read(name) if self.cache else None
        if content is None:
            content = make()
            if self.cache:
                self.cache.write(name, content)
        return content


def _digest(network: RGBTNetwork) -> bytes:
    from rgbt_track.models.engines.torch_engine import weights_digest

    return weights_digest(network).encode()


def create_graph_engine(
    source: GraphSource, config: Config, engine: str, precision: str = "fp32"
) -> BatchedGraphEngine:
    """The engine that runs a network's graphs with "openvino" or "onnxruntime"."""
    threads = config.tracking.threads
    runner = create_runner(engine, source.read, threads, precision, source.cache)
    model = config.model
    return BatchedGraphEngine(runner, model.branches, model.target_encoding, source.digest)
