"""Post-training quantization to int8 of the graphs that run on every frame.

Template graphs run once a target and stay as they are. In search graphs, what costs accuracy and
little time stays in floating point: the fusion, whose soft thresholds compare small differences,
the heads, whose correlations have kernels that come from a template, and the convolution that sees
the pixels: it costs a thirtieth of a frame, and what it loses no later layer brings back.
OpenVINO's graphs are quantized by NNCF, ONNX Runtime's (as QDQ) by its own tools, both with the
inputs that a tracker gave the graphs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgbt_track.models.engines.graph_engine import Arrays, GraphRunner
from rgbt_track.models.engines.openvino_import import import_nncf, import_openvino

_KEPT = ("/fusion/", "rpn_head/")  # parts of the names of nodes that stay in floating point
_CROPS = ("rgb", "tir", "crop")  # inputs of search graphs


class RecordingRunner:
    """A ``GraphRunner`` that keeps what the search graphs are given, evenly spread over the runs.

    Args:
        runner: what runs the graphs.
        limit: at most as many inputs are kept of each graph.

    Attributes:
        inputs: graph -> its inputs.
    """

    def __init__(self, runner: GraphRunner, limit: int = 128) -> None:
        self.runner = runner
        self.limit = limit
        self.inputs: dict[str, list[Arrays]] = {}
        self._every: dict[str, int] = {}
        self._calls: dict[str, int] = {}

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        if graph.startswith("search"):
            calls, every = self._calls.get(graph, 0), self._every.get(graph, 1)
            self._calls[graph] = calls + 1
            if calls % every == 0:
                kept = self.inputs.setdefault(graph, [])
                kept.append({name: np.array(array) for name, array in inputs.items()})
                if len(kept) > self.limit:
                    self.inputs[graph], self._every[graph] = kept[::2], 2 * every
        return self.runner.run(graph, inputs)


def quantize_openvino(model: bytes, inputs: Sequence[Arrays]) -> Any:
    """An ONNX model -> an OpenVINO model in int8, by NNCF."""
    with _quiet():
        nncf, openvino = import_nncf(), import_openvino()
        proto = _prepared(model)
        # Layers get further names behind those of the ONNX nodes.
        patterns = [f"^{re.escape(name)}(/.*)?$" for name in kept_layers(proto)]
        return nncf.quantize(
            openvino.Core().read_model(proto.SerializeToString()),
            nncf.Dataset(list(inputs)),
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(patterns=patterns, validate=False),
        )


def quantize_onnx(model: bytes, inputs: Sequence[Arrays]) -> bytes:
    """An ONNX model -> one in int8 with QuantizeLinear and DequantizeLinear around convolutions."""
    import onnxruntime
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    proto = _prepared(model)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        onnxruntime.set_default_logger_severity(3)  # errors; warnings tell of unused initializers
        file = Path(folder) / "graph.onnx"
        quantize_static(
            proto,
            file,
            _Reader(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept_layers(proto),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        onnxruntime.set_default_logger_severity(2)  # the package's own
        return file.read_bytes()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress and the advice of the quantizers."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


class _Reader:
    """The inputs as ONNX Runtime's calibration reads them."""

    def __init__(self, inputs: Sequence[Arrays]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> Arrays | None:
        return next(self._left, None)


def kept_layers(model: Any) -> list[str]:
    """Names of the nodes of an ONNX model that stay in floating point."""
    first = _first_convolutions(model)
    return [
        node.name
        for node in model.graph.node
        if node.name in first or any(part in node.name for part in _KEPT)
    ]


def _first_convolutions(model: Any) -> set[str]:
    """Names of the convolutions that see the crops' pixels, with no other one before them."""
    seen, names = set(_CROPS), set[str]()
    for node in model.graph.node:
        if seen.isdisjoint(node.input):
            continue
        if node.op_type == "Conv":
            names.add(node.name)
        else:
            seen.update(node.output)
    return names


def _prepared(model: bytes) -> Any:
    """The model with parts of kernels gathered: OpenVINO cannot compile split ones in int8.

    It makes a split of slices of one input, too.
    """
    import onnx
    from onnx import helper, numpy_helper

    proto = onnx.load_from_string(model)
    graph, constants, nodes = proto.graph, _constants(proto), []
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    shapes = {item.name: _shape(item) for item in graph.input}
    for node in graph.node:
        if node.op_type == "Split" and kernels & set(node.output):
            axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
            sizes = numpy_helper.to_array(constants[node.input[1]])
            parts = np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1])
        elif node.op_type == "Slice" and node.input[0] in shapes:
            start, end, axis, step = (
                int(numpy_helper.to_array(constants[name]).item()) for name in node.input[1:]
            )
            parts = [np.arange(shapes[node.input[0]][axis])[start:end:step]]
        else:
            nodes.append(node)
            continue
        for name, part in zip(node.output, parts, strict=True):
            graph.initializer.append(numpy_helper.from_array(part, f"{name}_items"))
            inputs = [node.input[0], f"{name}_items"]
            nodes.append(helper.make_node("Gather", inputs, [name], f"{name}_gather", axis=axis))
    del graph.node[:]
    graph.node.extend(nodes)
    return proto


def _shape(item: Any) -> list[int]:
    """Of an input; 0 where it is not fixed."""
    return [dimension.dim_value for dimension in item.type.tensor_type.shape.dim]


def _constants(model: Any) -> dict[str, Any]:
    """Tensors of an ONNX model by name: initializers and the outputs of Constant nodes."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return tensors
