"""Graphs run by ONNX Runtime on the CPU, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime

from rgbt_track.models.engines.graph_engine import Arrays

onnxruntime.disable_telemetry_events()  # of the builds that send any


class OnnxRuntimeRunner:
    """Runs graphs on the CPU in fp32.

    Args:
        read: a graph's name and the size of its batch -> an ONNX model's path, or the model in
            memory.
        threads: CPU threads.
    """

    def __init__(self, read: Callable[[str, int], Any], threads: int = 1) -> None:
        self._read = read
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.log_severity_level = 3  # errors; warnings tell of unused initializers
        # Threads that spin while they wait slow down whatever else the machine does.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions: dict[tuple[str, int], onnxruntime.InferenceSession] = {}

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        key = graph, len(next(iter(inputs.values())))
        if key not in self._sessions:
            self._sessions[key] = onnxruntime.InferenceSession(
                self._read(*key), self._options, providers=["CPUExecutionProvider"]
            )
        session = self._sessions[key]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))
