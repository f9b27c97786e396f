"""A frozen backbone run by OpenVINO while the rest of the network learns.

torch runs depthwise convolutions slowly on a CPU. A backbone that does not learn is a fixed
function of the crops, so a faster runtime may compute it: with EfficientNet-Lite0 a training step
takes less than half the time. Features are computed in bfloat16, as ``bf16-mixed`` would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rgbt_track.models.engines.choice import choose_engine, create_runner
from rgbt_track.models.engines.graphs import Graph
from rgbt_track.models.engines.onnx_graphs import onnx_model


class FrozenBackbone:
    """A backbone's forward pass by OpenVINO, compiled once for every shape of input.

    Args:
        backbone: in evaluation mode, without parameters that learn.

    Raises ``ModuleNotFoundError`` with the command that installs OpenVINO.
    """

    def __init__(self, backbone: nn.Module) -> None:
        choose_engine("openvino", "bf16", "cpu")
        self._function = _Function(backbone.forward).eval()
        self._runner = create_runner("openvino", self._onnx, torch.get_num_threads(), "bf16")

    def __call__(self, x: Tensor) -> list[Tensor]:
        """As the backbone: images (B, 3, X, X) -> levels (B, C, N, N)."""
        levels = self._runner.run(str(x.shape[-1]), {"crops": x.float().contiguous().numpy()})
        return [torch.from_numpy(levels[f"level{index}"].copy()) for index in range(len(levels))]

    def _onnx(self, side: str, batch: int) -> bytes:
        """The backbone as ONNX, for one shape of input: a level's size may be a constant of it."""
        crops = torch.zeros(batch, 3, int(side), int(side))
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            outputs = tuple(f"level{index}" for index in range(len(self._function(crops))))
            return onnx_model(Graph(self._function, {"crops": crops}, outputs))


class _Function(nn.Module):
    """A forward method as a module that can be traced."""

    def __init__(self, function: Callable[[Tensor], Sequence[Tensor]]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.function(x))
