"""What every fusion is: ``Fusion(channels, **kwargs)``, ``forward(rgb, tir) -> fused``.

A fusion takes one feature map per modality and gives one of the same shape, so any of them can
stand where another stood. A subclass writes ``fuse``; this base keeps what all share: the checks at
the door and the choice of where training begins.

``start="random"`` begins as the layers are initialised. ``start="mean"`` begins exactly as the
plain mean of both modalities, so that a fusion can be put into a pretrained tracker without
breaking it::

    fused = mean + gate * (learned - mean),    gate: one learned number per channel, zero at first

This is ReZero's gate (Bachlechner et al., 2021) around the whole fusion. It is preferred to a last
convolution initialised with zeros because it serves fusions that do not end in a convolution, and
because ``gate = 1`` is precisely the fusion as published: the mean is where training begins, not a
part that stays. At the first step only the gate has a gradient; the layers follow when it opens.
Weight decay on the gate pulls back to the mean: leave it out, as one does with biases.
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

    ``check_finite`` refuses NaN and infinity at the door (see ``require_finite``). It costs one
    read of each input and, on a GPU, one synchronisation per call: switch it off where that
    counts, at any time (``fusion.check_finite = False``), and inside ``vmap`` or CUDA graphs,
    which cannot look at values.

    All checks are skipped while the module is traced, compiled or exported.
    """

    has_start: ClassVar[bool] = True
    """Whether ``start`` means anything: False for a fusion that learns nothing."""

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
            self._check(rgb, tir)
        learned = self.fuse(rgb, tir)
        if self.gate is None:
            return learned
        mean = mean_of(rgb, tir)
        gate = self.gate.to(mean.dtype).view(-1, 1, 1)
        return mean + gate * (learned - mean)

    def fuse(self, rgb: Tensor, tir: Tensor) -> Tensor:
        """The fusion itself, on checked inputs; what a subclass writes."""
        raise NotImplementedError(f"{type(self).__name__} must define fuse(rgb, tir)")

    def for_inference(self) -> nn.Module:
        """The same function of (rgb, tir) with the present weights, as quick as it can be.

        For a network that is not trained any more: checks may be gone. Itself, where a fusion
        knows nothing quicker.
        """
        self.check_finite = False
        return self

    def extra_repr(self) -> str:
        return f"channels={self.channels}, start={'mean' if self.gate is not None else 'random'}"

    def _check(self, rgb: Tensor, tir: Tensor) -> None:
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


def mean_of(rgb: Tensor, tir: Tensor) -> Tensor:
    """``(rgb + tir) / 2`` in the inputs' dtype; halved first, so that fp16 cannot overflow."""
    return (rgb * 0.5).add(tir, alpha=0.5)


def is_traced() -> bool:
    """Whether a compiler or exporter is looking: then values must not steer Python."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def require_positive(name: str, value: int) -> int:
    """``value`` if it is a whole number of at least 1; ``ValueError`` naming it otherwise."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1")
    return int(value)


def require_same(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    """``ValueError`` unless two tensors agree in shape, dtype and device."""
    require_same_shape(name_a, a, name_b, b)
    if a.dtype != b.dtype or a.device != b.device:
        raise ValueError(
            f"{name_a} is {a.dtype} on {a.device} but {name_b} {b.dtype} on {b.device}; "
            "bring both to one dtype and device with .to()"
        )


def require_same_shape(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    """``ValueError`` unless two tensors have one shape."""
    if a.shape != b.shape:
        raise ValueError(
            f"{name_a} has shape {tuple(a.shape)} but {name_b} {tuple(b.shape)}; "
            "cut both modalities with one crop and give them one shape"
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

    One sum per map settles the usual case: a NaN or an infinity always makes it non-finite. It
    is taken in single precision at least, and since huge finite values may overflow even that, a
    suspicious sum is confirmed value by value before anything is refused. So there is neither a
    miss nor a false alarm, at the price of one read of the data.
    """
    if any(x.is_meta for x in maps.values()):
        return
    wide = torch.promote_types(next(iter(maps.values())).dtype, torch.float32)
    sums = [x.detach().sum(dtype=wide) for x in maps.values()]
    if math.isfinite(torch.stack(sums).sum().item()):
        return
    for modality, x in maps.items():
        broken = int((~x.detach().isfinite()).sum())
        if broken:
            raise ValueError(
                f"{name}: {broken} of {x.numel()} values of {modality} are NaN or infinite; mend "
                "what made them (input, weights, learning rate) or pass check_finite=False"
            )
