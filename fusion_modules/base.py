"""The interface of all fusions: ``Fusion(channels, **kwargs)``, ``forward(rgb, tir) -> fused``.

A fusion takes one feature map per modality and gives one of the same shape, so that fusions are
interchangeable. A subclass implements ``fuse``; this base class has the checks of the inputs and
the choice of how training starts.

``start="random"`` starts with the layers' initialization. ``start="mean"`` starts exactly as the
mean of both modalities, so that a fusion can be put into a pretrained tracker without breaking it::

    fused = mean + gate * (learned - mean),    gate: one learned number per channel, zero at first

This is ReZero's gate (Bachlechner et al., 2021) around the whole fusion. It is preferred to a last
convolution initialized with zeros because it also works for fusions that do not end in a
convolution, and because ``gate = 1`` is exactly the fusion as published: the mean is where training
starts, not a part that stays. At the first step only the gate has a gradient, then the layers have
one too. Weight decay on the gate pulls back to the mean: exclude it, as biases usually are.
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

Start = Literal["random", "mean"]


class Fusion(nn.Module):
    """Base of all fusions; ``channels`` is C of both inputs and of the output.

    ``check_finite`` refuses inputs with NaN or infinity (see ``require_finite``). It costs one
    read of each input and, on a GPU, one synchronization per call: switch it off where that
    matters, at any time (``fusion.check_finite = False``), and inside ``vmap`` or CUDA graphs,
    which cannot read values.

    All checks are skipped while the module is traced, compiled or exported.
    """

    has_start: ClassVar[bool] = True
    """Whether ``start`` has an effect: False for a fusion without parameters."""

    def __init__(
        self, channels: int, *, start: Start = "random", check_finite: bool = True
    ) -> None:
        super().__init__()
        if start not in ("random", "mean"):
            raise ValueError(f"start is {start!r}; valid: random, mean")
        self.channels = require_positive("channels", channels)
        self.check_finite = check_finite
        self.smallest_side = 1
        gate = start == "mean" and self.has_start
        self.gate = nn.Parameter(torch.zeros(self.channels)) if gate else None

    def forward(self, rgb: Tensor, tir: Tensor) -> Tensor:
        """Fuse ``rgb`` and ``tir``, (B, C, H, W) each -> (B, C, H, W).

        The result has the inputs' dtype and device; under autocast, the dtype autocast gives.
        Raises ``ValueError`` unless both are floating-point maps of one shape, dtype and device,
        with C = ``channels``, large enough for the padding, and finite.
        """
        if not is_traced():
            self.check(rgb, tir)
        learned = self.fuse(rgb, tir)
        if self.gate is None:
            return learned
        baseline = mean(rgb, tir)
        gate = self.gate.to(baseline.dtype).view(-1, 1, 1)
        return baseline + gate * (learned - baseline)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        """The fusion itself, on checked inputs; to be implemented by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define fuse(rgb, tir)")

    def for_inference(self) -> nn.Module:
        """The same function of (rgb, tir) with the present weights, optimized for inference.

        It may leave out the checks and does not follow later changes of the weights. A fusion
        without an optimized form returns itself.
        """
        self.check_finite = False
        return self

    def extra_repr(self) -> str:
        return f"channels={self.channels}, start={'mean' if self.gate is not None else 'random'}"

    def check(self, rgb: Tensor, tir: Tensor) -> None:
        """``ValueError`` in one line for inputs that the fusion cannot take; see ``forward``."""
        name = type(self).__name__
        for modality, x in (("rgb", rgb), ("tir", tir)):
            if not isinstance(x, Tensor):
                raise ValueError(
                    f"{name} got {modality} as {type(x).__name__}; expected a tensor: a fusion "
                    "needs both modalities"
                )
        require_same("rgb", rgb, "tir", tir)
        if rgb.ndim != 4 or rgb.shape[1] != self.channels:
            raise ValueError(
                f"{name} got maps of shape {tuple(rgb.shape)}; "
                f"expected (B, C, H, W) with C = {self.channels}, as it was built"
            )
        if not rgb.is_floating_point():
            raise ValueError(f"{name} got {rgb.dtype}; expected floating point: call .float()")
        require_side(name, rgb, self.smallest_side)
        if self.check_finite:
            require_finite(name, rgb=rgb, tir=tir)


def mean(rgb: Tensor, tir: Tensor) -> Tensor:
    """``(rgb + tir) / 2`` in the inputs' dtype; halved first, so that fp16 cannot overflow."""
    return (rgb * 0.5).add(tir, alpha=0.5)


def is_traced() -> bool:
    """Whether torch compiles, traces or exports: then Python must not branch on values."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def require_positive(name: str, value: int) -> int:
    """``value`` if it is a whole number of at least 1; ``ValueError`` naming it otherwise."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1")
    return int(value)


def require_same(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    """``ValueError`` unless two tensors agree in shape, dtype and device.

    Args:
        name_a: what the error calls the first.
        a: the first.
        name_b: what the error calls the second.
        b: the second.
    """
    require_same_shape(name_a, a, name_b, b)
    if a.dtype != b.dtype or a.device != b.device:
        raise ValueError(
            f"{name_a} is {a.dtype} on {a.device} but {name_b} {b.dtype} on {b.device}; "
            "bring both to one dtype and device with .to()"
        )


def require_same_shape(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    """``ValueError`` unless two tensors have one shape.

    Args:
        name_a: what the error calls the first.
        a: the first.
        name_b: what the error calls the second.
        b: the second.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"{name_a} has shape {tuple(a.shape)} but {name_b} {tuple(b.shape)}; "
            "cut both modalities with the same crop"
        )


def require_side(name: str, x: Tensor, side: int) -> None:
    """``ValueError`` unless the map ``x`` (..., H, W) has at least ``side`` rows and columns."""
    height, width = x.shape[-2:]
    if min(height, width) < side:
        raise ValueError(
            f"{name} got a map of {height}x{width}; its reflection padding needs at least "
            f"{side}x{side}: give larger maps or, where it has one, a smaller kernel"
        )


def require_finite(name: str, **maps: Tensor) -> None:
    """``ValueError`` if a map holds NaN or infinity.

    One sum per map is enough in the usual case: NaN or infinity always make it non-finite. It is
    computed in single precision at least. Since huge finite values may overflow it, a non-finite
    sum is confirmed value by value. So there are no misses and no false alarms, at the cost of one
    read of the data.
    """
    if any(x.is_meta for x in maps.values()):
        return
    wide = torch.promote_types(next(iter(maps.values())).dtype, torch.float32)
    sums = [x.detach().sum(dtype=wide) for x in maps.values()]
    if math.isfinite(torch.stack(sums).sum().item()):
        return
    for modality, x in maps.items():
        count = int((~x.detach().isfinite()).sum())
        if count:
            raise ValueError(
                f"{name}: {count} of {x.numel()} values of {modality} are NaN or infinite; fix "
                "their cause (input, weights, learning rate) or pass check_finite=False"
            )
