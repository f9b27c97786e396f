"""Slow, obvious twins of the image networks, losses and metrics: loops, in double precision."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from fusion_references import Array, array, mirrored, soft_threshold
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]


def official_conv(x: Array, state: dict[str, Tensor], name: str) -> Array:
    """One reflection-padded 3x3 convolution of the authors' file, value by value: (C, H, W)."""
    weight, bias = array(state[f"{name}.conv2d.weight"]), array(state[f"{name}.conv2d.bias"])
    _, height, width = x.shape
    out = np.zeros((len(weight), height, width))
    for row, column in np.ndindex(height, width):
        rows = [mirrored(row + k, height) for k in (-1, 0, 1)]
        columns = [mirrored(column + k, width) for k in (-1, 0, 1)]
        patch = x[:, rows][:, :, columns]
        for o in range(len(weight)):
            out[o, row, column] = bias[o] + (patch * weight[o]).sum()
    return out


def official_lrrnet(state: dict[str, Tensor], infrared: Array, visible: Array) -> Array:
    """LRRNet out of the authors' names: first source infrared; (1, H, W) each -> (1, H, W)."""
    codes = []
    for number, x in ((1, infrared), (2, visible)):
        stack = f"get_ls{number}."
        theta, step = array(state[stack + "lamj"]), float(state[stack + "lamz"])
        z = soft_threshold(official_conv(x, state, stack + "conv_W00")[None], theta)[0]
        block = 0
        while f"{stack}lrrblock{block}.conv_Wdz.conv2d.bias" in state:
            name = f"{stack}lrrblock{block}."
            rest = x - official_conv(z, state, name + "conv_Wdz")
            moved = official_conv(rest, state, name + "conv_Wdtz") + step * z
            z = soft_threshold(moved[None], theta)[0]
            block += 1
        codes.append(z)
    half = len(codes[0]) // 2
    low = [
        official_conv(z[:half], state, f"decoder.conv_ReZ{which}")
        for z, which in zip(codes, "xy", strict=True)
    ]
    sparse = [
        official_conv(z[half:], state, f"decoder.conv_ReU{which}")
        for z, which in zip(codes, "xy", strict=True)
    ]
    return official_conv(np.concatenate(low), state, "decoder.conv_ReL") + official_conv(
        np.concatenate(sparse), state, "decoder.conv_ReH"
    )


def mean_square(a: Array, b: Array) -> float:
    return float(np.mean([(p - q) ** 2 for p, q in zip(a.flat, b.flat, strict=True)]))


def gram(item: Array) -> Array:
    """F F^T / (C H W) of one (C, H, W) map."""
    out = np.zeros((len(item), len(item)))
    for a, b in np.ndindex(*out.shape):
        out[a, b] = sum(p * q for p, q in zip(item[a].flat, item[b].flat, strict=True)) / item.size
    return out


def sobel(picture: Array) -> Array:
    """|gx| + |gy| of an (H, W) picture, pixel by pixel."""
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    height, width = picture.shape
    out = np.zeros_like(picture)
    for row, column in np.ndindex(height, width):
        across = down = 0.0
        for dy, dx in np.ndindex(3, 3):
            value = picture[mirrored(row + dy - 1, height), mirrored(column + dx - 1, width)]
            across += kernel[dy, dx] * value
            down += kernel[dx, dy] * value
        out[row, column] = abs(across) + abs(down)
    return out


def entropy(values: list[object]) -> float:
    return -sum(n / len(values) * math.log2(n / len(values)) for n in Counter(values).values())


def ssim(a: Array, b: Array) -> float:
    """MATLAB's ssim, window by window, over replicated edges."""
    offsets = range(-5, 6)
    weights = np.array([[math.exp(-(y * y + x * x) / 4.5) for x in offsets] for y in offsets])
    weights /= weights.sum()
    height, width = a.shape
    values = []
    for row, column in np.ndindex(height, width):
        rows = [min(max(row + k, 0), height - 1) for k in offsets]
        columns = [min(max(column + k, 0), width - 1) for k in offsets]
        p, q = a[np.ix_(rows, columns)], b[np.ix_(rows, columns)]
        mp, mq = (weights * p).sum(), (weights * q).sum()
        vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
        c = (weights * (p - mp) * (q - mq)).sum()
        c1, c2 = 0.01**2, 0.03**2
        values.append((2 * mp * mq + c1) * (2 * c + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(values))


def nabf(fused: Array, a: Array, b: Array) -> float:
    """Shreyamsha Kumar's modified fusion artifacts, pixel by pixel."""
    height, width = fused.shape
    total = weight_sum = 0.0
    for row, column in np.ndindex(height, width):
        strength_f, angle_f = _edge(fused, row, column)
        stronger, losses, weights = True, [], []
        for source in (a, b):
            strength, angle = _edge(source, row, column)
            if strength == 0 or strength_f == 0:
                ratio = 0.0
            else:
                ratio = min(strength, strength_f) / max(strength, strength_f)
            alignment = abs(abs(angle - angle_f) - math.pi / 2) * 2 / math.pi
            kept_strength = 0.9999 / (1 + math.exp(-19 * (ratio - 0.5)))
            kept_angle = 0.9995 / (1 + math.exp(-22 * (alignment - 0.5)))
            losses.append(1 - math.sqrt(kept_strength * kept_angle))
            weights.append(strength**1.5 if strength >= 2 else 0.001)
            stronger = stronger and strength_f > strength
        weight_sum += sum(weights)
        if stronger:
            total += losses[0] * weights[0] + losses[1] * weights[1]
    return total / weight_sum


def _edge(picture: Array, row: int, column: int) -> tuple[float, float]:
    height, width = picture.shape
    rows = [mirrored(row + k, height) for k in (-1, 0, 1)]
    columns = [mirrored(column + k, width) for k in (-1, 0, 1)]
    patch = picture[np.ix_(rows, columns)]
    vertical = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    across, down = _columns_first(patch * vertical), _columns_first(patch * vertical.T)
    if across == 0 and down == 0:
        return 0.0, 0.0
    angle = math.atan(across / down) if down else math.copysign(math.pi / 2, across)
    return math.sqrt(down**2 + across**2), angle


def _columns_first(values: Array) -> float:
    sums = [0.0, 0.0, 0.0]
    for column in range(3):
        for row in range(3):
            sums[column] += float(values[row, column])
    return sums[0] + sums[1] + sums[2]


def correlate(picture: Array, kernel: Array, step: int = 1) -> Array:
    """Correlation at every ``step``-th pixel over a mirrored picture."""
    reach = len(kernel) // 2
    height, width = picture.shape
    out = np.zeros((-(-height // step), -(-width // step)))
    for row, column in np.ndindex(*out.shape):
        for dy, dx in np.ndindex(*kernel.shape):
            y = mirrored(row * step + dy - reach, height)
            x = mirrored(column * step + dx - reach, width)
            out[row, column] += kernel[dy, dx] * picture[y, x]
    return out


def vif(bands: list[Array], distorted: list[Array]) -> float:
    """VIF of sub-bands, fine to coarse and two a level, block by block."""
    kept = there = 0.0
    for number, (x, y) in enumerate(zip(bands, distorted, strict=True)):
        window = 2 ** (4 - number // 2) + 1
        rows, columns = (size // 3 for size in x.shape)
        x, y = x[: 3 * rows, : 3 * columns], y[: 3 * rows, : 3 * columns]
        vectors = np.array(
            [x[r : r + 3, c : c + 3].ravel() for r, c in np.ndindex(3 * rows - 2, 3 * columns - 2)]
        )
        centred = vectors - vectors.mean(axis=0)
        covariance = centred.T @ centred / len(vectors)
        border = math.ceil((window - 1) / 2 / 3)
        for r in range(border, rows - border):
            for c in range(border, columns - border):
                block = x[3 * r : 3 * r + 3, 3 * c : 3 * c + 3].ravel()
                scale = block @ np.linalg.solve(covariance, block) / 9
                gain, variance = _gain(x, y, 3 * r + 1, 3 * c + 1, window)
                for eigenvalue in np.linalg.eigvalsh(covariance):
                    signal = scale * eigenvalue
                    kept += math.log2(1 + gain**2 * signal / (variance + 0.4))
                    there += math.log2(1 + signal / 0.4)
    return kept / there


def _gain(x: Array, y: Array, row: int, column: int, window: int) -> tuple[float, float]:
    """Regression of y on x in a window; the reference code's repairs for what is no regression."""
    reach = window // 2
    rows = [mirrored(row + k, x.shape[0]) for k in range(-reach, reach + 1)]
    columns = [mirrored(column + k, x.shape[1]) for k in range(-reach, reach + 1)]
    p, q = x[np.ix_(rows, columns)].ravel(), y[np.ix_(rows, columns)].ravel()
    energy_p, energy_q = ((p - p.mean()) ** 2).sum(), ((q - q.mean()) ** 2).sum()
    covariance = ((p - p.mean()) * (q - q.mean())).sum()
    if energy_q < 1e-15:
        return 0.0, 1e-15
    if energy_p < 1e-15 or covariance < 0:
        return 0.0, float(energy_q)
    gain = covariance / energy_p
    return float(gain), float(max((energy_q - gain * covariance) / window**2, 1e-15))
