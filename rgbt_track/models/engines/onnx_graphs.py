"""The graphs of a network as ONNX models.

By the exporter that traces: it takes a third of a second for a small network, where OpenVINO's own
conversion takes four times as long, and it needs no package but torch and onnx.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from rgbt_track.models.engines.graphs import Graph

_OPSET = 17
_SHOWN = 120  # characters of the exporter's reason
_TRACING: dict[str, Any] = (
    {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
)


@contextlib.contextmanager
def _silent_output() -> Iterator[None]:
    """Drop what native code writes to standard output, which may be another program's protocol."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def onnx_model(graph: Graph) -> bytes:
    """The graph as ONNX with its weights inside; search crops and responses may have any size.

    Raises ``ValueError`` where the network does what the exporter cannot express.
    """
    crops = [name for name in graph.inputs if name in ("rgb", "tir", "crop")]
    is_search = any(name.endswith("cls") and "kernel" not in name for name in graph.outputs)
    free = [*crops, *graph.outputs] if is_search else []
    file = io.BytesIO()
    # What tracing says: that shapes in checks become constants, and the whole graph on an error.
    with torch.no_grad(), warnings.catch_warnings(), _silent_output():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph.module,
                tuple(graph.inputs.values()),
                file,  # type: ignore[arg-type]
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                opset_version=_OPSET,
                dynamic_axes={name: {2: f"{name}_rows", 3: f"{name}_columns"} for name in free},
                **_TRACING,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:_SHOWN]
            raise ValueError(
                f"this network cannot be written as ONNX ({reason}); run it with engine 'torch'"
            ) from None
    return file.getvalue()
