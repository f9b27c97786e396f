"""Every fusion, as a pyramid and over tokens, compiled, exported and as ONNX: the numbers of eager.

``torch.compile`` runs with the backend "eager": Dynamo's graph of the module, without a break, is
what is tested; the machine code that a C++ compiler makes of it is torch's business.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from inspect import signature

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from fusion_modules import FUSIONS, FusionPyramid, TokenFusion

CHANNELS = (4, 6)
GRID = (3, 4)
TRACING = {"dynamo": False} if "dynamo" in signature(torch.onnx.export).parameters else {}
every_fusion = pytest.mark.parametrize("name", FUSIONS)


class OnGrid(nn.Module):
    """Token fusion in a tracker whose grid is fixed."""

    def __init__(self, tokens: TokenFusion):
        super().__init__()
        self.tokens = tokens

    def forward(self, rgb: Tensor, tir: Tensor) -> Tensor:
        return self.tokens(rgb, tir, grid=GRID)


def opened(module: nn.Module) -> nn.Module:
    """With the gates opened unevenly, as after some training."""
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            if key.endswith("gate"):
                parameter.copy_(torch.linspace(0.3, 1.2, len(parameter)))
    return module.eval().requires_grad_(False)


def pyramid(name: str) -> nn.Module:
    torch.manual_seed(0)
    return opened(FusionPyramid(name, channels=list(CHANNELS), start="mean"))


def tokens(name: str) -> nn.Module:
    torch.manual_seed(0)
    return opened(OnGrid(TokenFusion(name, channels=CHANNELS[0], start="mean")))


def levels(seed: int) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    rgb, tir = (
        [
            torch.randn(2, channels, 5 - index, 4, generator=generator)
            for index, channels in enumerate(CHANNELS)
        ]
        for _ in "rt"
    )
    return rgb, tir


def token_maps(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, GRID[0] * GRID[1], CHANNELS[0])
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


CASES = [(pyramid, levels), (tokens, token_maps)]
either = pytest.mark.parametrize(("build", "inputs"), CASES, ids=["pyramid", "tokens"])


@pytest.fixture(autouse=True)
def fresh_dynamo() -> Iterator[None]:
    """No graph of another test is taken for this one's."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@every_fusion
@either
def test_compiled_equals_eager(name: str, build, inputs) -> None:  # type: ignore[no-untyped-def]
    module = build(name)
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    for seed in (0, 1):
        torch.testing.assert_close(compiled(*inputs(seed)), module(*inputs(seed)))


@every_fusion
@either
def test_exported_equals_eager(name: str, build, inputs) -> None:  # type: ignore[no-untyped-def]
    module = build(name)
    exported = torch.export.export(module, inputs(0)).module()
    torch.testing.assert_close(exported(*inputs(1)), module(*inputs(1)))


@every_fusion
@either
def test_onnx_equals_eager(name: str, build, inputs) -> None:  # type: ignore[no-untyped-def]
    module, file = build(name), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs(0), file, opset_version=17, **TRACING)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    given = [x.numpy() for part in inputs(1) for x in (part if isinstance(part, list) else [part])]
    names = [each.name for each in session.get_inputs()]
    assert len(names) == len(given)
    fused = session.run(None, dict(zip(names, given, strict=True)))
    expected = module(*inputs(1))
    for actual, wanted in zip(
        fused, expected if isinstance(expected, list) else [expected], strict=True
    ):
        torch.testing.assert_close(torch.from_numpy(actual), wanted, rtol=1e-4, atol=1e-5)
