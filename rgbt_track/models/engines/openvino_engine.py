"""Graphs run by OpenVINO on the CPU, each compiled when it is first needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from rgbt_track.models.engines.graph_cache import GraphCache, digest_of
from rgbt_track.models.engines.graph_engine import Arrays
from rgbt_track.models.engines.openvino_import import import_openvino

openvino = import_openvino()

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}


class _Compiled(NamedTuple):
    """A compiled graph, and the names of its outputs in their order."""

    model: Any
    outputs: list[str]


class OpenVINORunner:
    """Runs graphs on the CPU; a graph is compiled once for each shape of inputs that it is given.

    Args:
        read: a graph's name and the size of its batch -> what ``openvino.Core.read_model`` takes,
            a path or ONNX in memory.
        threads: CPU threads.
        precision: "fp32" or "bf16"; a processor without bf16 computes in fp32. "int8" is for graphs
            that are quantized, whose other layers compute in bf16.
        cache: keeps compiled graphs between processes, if given.
    """

    def __init__(
        self,
        read: Callable[[str, int], Any],
        threads: int = 1,
        precision: str = "fp32",
        cache: GraphCache | None = None,
    ) -> None:
        self._read = read
        self._core = openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Pinned threads of two processes would share one core and leave the others idle.
            "ENABLE_CPU_PINNING": False,
        }
        self._cache = cache
        self._models: dict[tuple[str, int], Any] = {}
        self._compiled: dict[tuple[str, tuple[int, ...]], _Compiled] = {}
        self._idle: dict[tuple[str, tuple[int, ...]], list[Any]] = {}

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        key = (graph, tuple(side for array in inputs.values() for side in array.shape))
        if key not in self._compiled:
            self._compiled[key] = self._recalled(graph, inputs) or self._compile(graph, inputs)
            self._idle[key] = []
        # A request serves one thread at a time.
        idle = self._idle[key]
        compiled = self._compiled[key]
        request = idle.pop() if idle else compiled.model.create_infer_request()
        results = request.infer(inputs, share_inputs=True)
        outputs = {name: results[index] for index, name in enumerate(compiled.outputs)}
        idle.append(request)
        return outputs

    def _compile(self, graph: str, inputs: Arrays) -> _Compiled:
        key = graph, len(next(iter(inputs.values())))
        if key not in self._models:
            self._models[key] = self._core.read_model(self._read(*key))
        model = self._models[key].clone()
        outputs = [output.any_name for output in model.outputs]  # compiling gives further names
        model.reshape({name: list(array.shape) for name, array in inputs.items()})
        compiled = self._core.compile_model(model, "CPU", self._settings)
        if self._cache is not None:
            content = json.dumps(outputs).encode() + b"\n" + compiled.export_model().getvalue()
            self._cache.write(self._file(graph, inputs), content)
        return _Compiled(compiled, outputs)

    def _recalled(self, graph: str, inputs: Arrays) -> _Compiled | None:
        """The graph as an earlier process has compiled it; ``None`` if none has."""
        content = self._cache.read(self._file(graph, inputs)) if self._cache else None
        if content is None:
            return None
        names, _, blob = content.partition(b"\n")
        try:
            compiled = self._core.import_model(blob, "CPU", self._settings)
        except RuntimeError:  # of another build of OpenVINO that has the same version
            return None
        return _Compiled(compiled, json.loads(names))

    def _file(self, graph: str, inputs: Arrays) -> str:
        """The name of a compiled graph; not the same on processors of other abilities."""
        machine = [
            self._core.get_property("CPU", name)
            for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
        ]
        shapes = {name: array.shape for name, array in inputs.items()}
        parts = [graph, shapes, self._settings, openvino.__version__, machine]
        return f"{graph}_{digest_of(parts)}.blob"
