"""Graphs run by OpenVINO on the CPU, each compiled when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openvino

from rgbt_track.models.engines.graph_engine import Arrays

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}


class OpenVINORunner:
    """Runs graphs on the CPU; a graph is compiled once for each shape of inputs that it is given.

    Args:
        read: a graph's name and the size of its batch -> what ``openvino.Core.read_model`` takes,
            a path or ONNX in memory.
        threads: CPU threads.
        precision: "fp32" or "bf16"; a processor without bf16 computes in fp32. "int8" is for graphs
            that are quantized, whose other layers compute in bf16.
    """

    def __init__(
        self, read: Callable[[str, int], Any], threads: int = 1, precision: str = "fp32"
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
        self._models: dict[tuple[str, int], Any] = {}
        self._outputs: dict[str, list[str]] = {}
        self._compiled: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._idle: dict[tuple[str, tuple[int, ...]], list[Any]] = {}

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        key = (graph, tuple(side for array in inputs.values() for side in array.shape))
        if key not in self._compiled:
            self._compiled[key] = self._compile(graph, inputs)
            self._idle[key] = []
        # A request serves one thread at a time.
        idle = self._idle[key]
        request = idle.pop() if idle else self._compiled[key].create_infer_request()
        results = request.infer(inputs, share_inputs=True)
        outputs = {name: results[index] for index, name in enumerate(self._outputs[graph])}
        idle.append(request)
        return outputs

    def _compile(self, graph: str, inputs: Arrays) -> Any:
        key = graph, len(next(iter(inputs.values())))
        if key not in self._models:
            model = self._core.read_model(self._read(*key))
            # Compiling gives outputs further names.
            self._outputs[graph] = [output.any_name for output in model.outputs]
            self._models[key] = model
        model = self._models[key].clone()
        model.reshape({name: list(array.shape) for name, array in inputs.items()})
        return self._core.compile_model(model, "CPU", self._settings)
