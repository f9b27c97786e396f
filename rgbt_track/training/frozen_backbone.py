"""A frozen backbone run by OpenVINO while the rest of the network learns.

torch runs depthwise convolutions slowly on a CPU. A backbone that does not learn is a fixed
function of the crops, so a faster runtime may compute it: with EfficientNet-Lite0 a training step
takes less than half the time. Features are computed in bfloat16, as ``bf16-mixed`` would.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class FrozenBackbone:
    """A backbone's forward pass by OpenVINO, compiled once for every shape of input.

    Args:
        backbone: in evaluation mode, without parameters that learn.

    Raises ``ModuleNotFoundError`` with the command that installs OpenVINO.
    """

    def __init__(self, backbone: nn.Module) -> None:
        try:
            import openvino
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "training.frozen_engine is openvino, which is not installed: pip install openvino"
            ) from None
        self._openvino = openvino
        self._forward = backbone.forward
        self._requests: dict[tuple[int, ...], Any] = {}

    def __call__(self, x: Tensor) -> list[Tensor]:
        """As the backbone: images (B, 3, X, X) -> levels (B, C, N, N)."""
        shape = tuple(x.shape)
        if shape not in self._requests:
            self._requests[shape] = self._compile(shape)
        request = self._requests[shape]
        request.infer([x.float().contiguous().numpy()])
        levels = range(len(request.model_outputs))
        return [torch.from_numpy(request.get_output_tensor(i).data.copy()) for i in levels]

    @torch.no_grad()
    def _compile(self, shape: tuple[int, ...]) -> Any:
        with torch.autocast("cpu", enabled=False):
            traced = torch.jit.trace(
                _Function(self._forward), torch.zeros(shape), check_trace=False
            )
        model = self._openvino.convert_model(traced, input=list(shape))
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        compiled = self._openvino.Core().compile_model(model, "CPU", settings)
        return compiled.create_infer_request()


class _Function(nn.Module):
    """A forward method as a module that can be traced."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.function(x))
