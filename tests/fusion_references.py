"""Slow, obvious twins of the fusion package: loops over numbers, in numpy and double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def array(x: Tensor) -> Array:
    return x.detach().double().numpy()


def soft_threshold(x: Array, theta: Array) -> Array:
    """Eq. 9, value by value: (B, C, H, W) and C thresholds."""
    out = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        value, threshold = x[index], theta.reshape(-1)[index[1]]
        sign = (value > 0) * 1.0 - (value < 0) * 1.0
        out[index] = sign * max(abs(value) - threshold, 0.0)
    return out


def mirrored(index: int, size: int) -> int:
    """The index that reflection without repeating the border puts at ``index``."""
    if index < 0:
        return -index
    return 2 * (size - 1) - index if index >= size else index


def convolve(x: Array, conv: nn.Conv2d) -> Array:
    """Cross-correlation over a mirrored map, output value by output value."""
    weight = array(conv.weight)
    bias = array(conv.bias) if conv.bias is not None else np.zeros(len(weight))
    items, _, height, width = x.shape
    side = weight.shape[-1]
    out = np.zeros((items, len(weight), height, width))
    for b, o, row, column in np.ndindex(*out.shape):
        rows = [mirrored(row + k - side // 2, height) for k in range(side)]
        columns = [mirrored(column + k - side // 2, width) for k in range(side)]
        out[b, o, row, column] = bias[o] + (x[b][:, rows][:, :, columns] * weight[o]).sum()
    return out


def normalise(x: Array, norm: nn.BatchNorm2d) -> Array:
    """Batch normalisation in eval mode, channel by channel."""
    assert norm.running_mean is not None and norm.running_var is not None
    mean, variance = array(norm.running_mean), array(norm.running_var)
    out = np.zeros_like(x)
    for c in range(x.shape[1]):
        scaled = (x[:, c] - mean[c]) / np.sqrt(variance[c] + norm.eps)
        out[:, c] = scaled * array(norm.weight)[c] + array(norm.bias)[c]
    return out


def feature_loss(fused: list[Array], rgb: list[Array], tir: list[Array]) -> dict[str, float]:
    """Eq. 15 with the paper's constants; squared norms as means, Gram / (C H W)."""
    shallow = [(f - 3.0 * r) ** 2 for f, r in zip(fused[0].flat, rgb[0].flat, strict=True)]
    middle = [
        (f - (2.0 * t + 1.0 * r)) ** 2
        for f, r, t in zip(fused[1].flat, rgb[1].flat, tir[1].flat, strict=True)
    ]
    deep = []
    for f, r, t in zip(fused[2], rgb[2], tir[2], strict=True):
        for a, b in np.ndindex(len(f), len(f)):
            difference = _gram(f, a, b) - (2.0 * _gram(t, a, b) + 1.0 * _gram(r, a, b))
            deep.append(difference**2)
    terms = {
        "shallow": 10.0 * float(np.mean(shallow)),
        "middle": 2.0 * float(np.mean(middle)),
        "deep": 2000.0 * float(np.mean(deep)),
    }
    return {**terms, "total": sum(terms.values())}


def _gram(item: Array, a: int, b: int) -> float:
    return sum(p * q for p, q in zip(item[a].flat, item[b].flat, strict=True)) / item.size
