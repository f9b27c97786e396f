"""Which engine runs a network, by name, and what runs graphs; needs no torch.

``auto`` is, for a network on the CPU that has learned weights, the fastest that is installed and
has the precision: OpenVINO, ONNX Runtime, torch. Measured in CPU time a frame against torch, on one
thread, with batch norms folded and memory in NHWC: OpenVINO 1.4 times faster for SiamRPN++ with
ResNet-50, 1.7 times for lrrtrack_lite, 2.6 times for EfficientNet-Lite0, whose depthwise
convolutions torch runs slowly; ONNX Runtime 1.4, 1.7 and 2.1 times. Tracing and compiling cost
0.7 s for lrrtrack_lite, which 200 frames pay back, and 8 s for ResNet-50, 20 frames. The matching
head does too little to gain anything.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rgbt_track.models.engines.graph_cache import GraphCache
from rgbt_track.models.engines.graph_engine import GraphRunner
from rgbt_track.resources import check_choice, require
from rgbt_track.threads import default_threads

if TYPE_CHECKING:
    import torch

ENGINES = ("auto", "torch", "onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16", "int8")

_PRECISIONS_OF = {
    "torch": ("fp32", "bf16"),
    "onnxruntime": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}
# engine: (extra, the packages that it needs); torch traces graphs with the help of onnx.
_PACKAGES = {
    "onnxruntime": ("onnx", ("onnx", "onnxruntime")),
    "openvino": ("openvino", ("onnx", "openvino")),
}


# By measurement; all give torch's responses to 1e-4 of their range (tests/test_engines.py).
_FASTEST = ("openvino", "onnxruntime")


def choose_engine(
    engine: str,
    precision: str,
    device: str | torch.device,
    *,
    is_learned: bool = True,
    is_exported: bool = False,
) -> str:
    """The engine that ``engine`` means here: "torch", "onnxruntime" or "openvino".

    Args:
        engine: one of ``ENGINES``.
        precision: one of ``PRECISIONS``.
        device: where the network is to run; only torch runs on another one than the CPU.
        is_learned: ``ModelConfig.has_graphs``.
        is_exported: whether it runs an exported tracker, which alone can be in int8.

    Raises:
        ValueError: an unknown name, or an engine that has not this precision or device.
        ModuleNotFoundError: an engine that is not installed.
    """
    check_choice("unknown engine", engine, ENGINES)
    check_choice("unknown precision", precision, PRECISIONS)
    on_cpu = str(device).startswith("cpu")
    if engine == "auto":
        gains = on_cpu and is_learned
        fit = [name for name in _FASTEST if gains and precision in _PRECISIONS_OF[name]]
        engine = next(filter(_is_installed, fit), "torch")
    if engine != "torch" and not is_learned:
        raise ValueError(
            f"engine {engine!r} does not run the matching head or early fusion: use torch"
        )
    if engine in _PACKAGES:
        extra, packages = _PACKAGES[engine]
        require(extra, *packages)
    if engine != "torch" and not on_cpu:
        raise ValueError(f"engine {engine!r} runs on the CPU; for device {str(device)!r} use torch")
    if precision == "int8" and not is_exported:
        raise ValueError(
            "precision 'int8' needs an exported tracker, which is calibrated once: "
            "rgbt-track export NAME OUT --precision int8"
        )
    if precision not in _PRECISIONS_OF[engine]:
        valid = [name for name, known in _PRECISIONS_OF.items() if precision in known]
        raise ValueError(f"engine {engine!r} has no {precision}; these have: {', '.join(valid)}")
    return engine


def _is_installed(engine: str) -> bool:
    return all(importlib.util.find_spec(package) for package in _PACKAGES[engine][1])


def create_runner(
    engine: str,
    read: Callable[[str, int], Any],
    threads: int = 0,
    precision: str = "fp32",
    cache: GraphCache | None = None,
) -> GraphRunner:
    """What runs graphs with "onnxruntime" or "openvino"; the others as their runners take them."""
    threads = threads or default_threads()
    if engine == "openvino":
        from rgbt_track.models.engines.openvino_engine import OpenVINORunner

        return OpenVINORunner(read, threads, precision, cache)
    from rgbt_track.models.engines.onnxruntime_engine import OnnxRuntimeRunner

    return OnnxRuntimeRunner(read, threads)
