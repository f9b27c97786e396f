"""The natural look: a network's output taken as advice on how to mix the two source images.

A network that adds low-rank and sparse parts may draw light and dark rims along edges, as if the
scene were embossed, and its range is stretched frame by frame, which flickers. Here its output only
says, place by place, which source it resembles:

* base (what a box filter leaves): the weight of the infrared image is the least-squares fit of
  ``fused = w infrared + (1 - w) visible`` over a window, pulled to one half where the sources are
  alike. Where the infrared image is the darker one it counts less, since what is cold is seldom
  what is looked for, and a bright sky stays bright. The weights are smoothed by a guided filter
  (He et al., *Guided Image Filtering*, TPAMI 2013), so that they change where the image does;
* detail (the rest): each source by its local contrast (after Li et al., *Image Fusion with Guided
  Filtering*, TIP 2013), never by the network.

So every pixel lies between the two sources in each of both bands, nothing rings, and no range is
stretched. Over a video the base's weights are a running mean, as long as the scene stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Weights = NDArray[np.floating]

_FIT_SHARE, _SMOOTH_SHARE = 1 / 40, 1 / 24  # windows as shares of the shorter side
_DETAIL_RADIUS = 3
_RIDGE = 0.002  # squared difference of the sources below which the network is not asked
# Infrared minus visible base at which the infrared weight is lowered to _LEAST of it, and kept.
_COLD, _WARM, _LEAST = -0.3, 0.1, 0.3
_GUIDE_EPSILON = 0.01
_NOISE = 1e-4  # squared contrast that counts as none
_DETAIL_POWER = 2.0
_SCENE_CHANGE = 0.15  # mean change of the visible image, of its range


@dataclass(frozen=True)
class NaturalSettings:
    """Settings of the look.

    Args:
        memory: share of the past in a video's weights, in [0, 1); 0 for pictures that do not follow
            one another. More steadies the picture, and leaves a trace behind what moves.
    """

    memory: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory is {self.memory}; expected at least 0 and less than 1")


class NaturalLook:
    """Mixes frames of one video, or pictures of any kind with ``memory=0``."""

    def __init__(self, settings: NaturalSettings | None = None) -> None:
        self.settings = settings or NaturalSettings()
        self._weights: Weights | None = None
        self._visible: Weights | None = None

    def mix(self, fused: Gray, visible: Gray, infrared: Gray) -> Gray:
        """The mixed luminance, (H, W) uint8, of a network's output and its sources, all (H, W)."""
        output, vis, tir = (image.astype(np.float32) / 255 for image in (fused, visible, infrared))
        weights = self._follow(base_weights(output, vis, tir), vis)
        radius = _radius(vis, _FIT_SHARE)
        vis_base, tir_base = _mean(vis, radius), _mean(tir, radius)
        base = weights * tir_base + (1 - weights) * vis_base
        vis_detail, tir_detail = vis - vis_base, tir - tir_base
        share = detail_weights(vis_detail, tir_detail)
        mixed = base + share * tir_detail + (1 - share) * vis_detail
        return np.round(np.clip(mixed, 0, 1) * 255).astype(np.uint8)

    def _follow(self, weights: Weights, visible: Weights) -> Weights:
        """The running mean of the weights; it begins anew where the scene does."""
        small = cv2.resize(visible, (64, 64), interpolation=cv2.INTER_AREA)
        past, self._visible = self._visible, np.asarray(small, np.float32)
        if (
            past is not None
            and self._weights is not None
            and self._weights.shape == weights.shape
            and float(np.abs(self._visible - past).mean()) < _SCENE_CHANGE
        ):
            memory = np.float32(self.settings.memory)
            weights = memory * self._weights + (1 - memory) * weights
        self._weights = weights
        return weights


def base_weights(fused: Weights, visible: Weights, infrared: Weights) -> Weights:
    """The infrared image's weight in the base, (H, W) in [0, 1].

    It is the least-squares fit of ``fused - visible`` by ``w (infrared - visible)`` over a window,
    with a ridge towards 1/2, lowered where the infrared image is darker, smoothed under the
    guidance of the visible image.
    """
    radius = _radius(visible, _FIT_SHARE)
    # The network stretches its output: it is brought to the mean and the spread of the sources.
    target = 0.5 * (visible + infrared)
    spread = float(target.std()) / max(float(fused.std()), 1e-3)
    fused = (fused - fused.mean()) * np.float32(spread) + target.mean()
    difference = infrared - visible
    product = _mean((fused - visible) * difference, radius)
    power = _mean(difference * difference, radius)
    weights = np.clip((product + 0.5 * _RIDGE) / (power + _RIDGE), 0, 1)
    warmth = np.clip((_mean(difference, radius) - _COLD) / (_WARM - _COLD), 0, 1)
    weights = weights * (_LEAST + (1 - _LEAST) * warmth * warmth * (3 - 2 * warmth))
    smooth = guided_filter(visible, weights, _radius(visible, _SMOOTH_SHARE), _GUIDE_EPSILON)
    return np.clip(smooth, 0, 1)


def detail_weights(visible: Weights, infrared: Weights) -> Weights:
    """The infrared image's share of the detail, (H, W) in [0, 1], by local contrast."""
    powers = [
        (_mean(detail * detail, _DETAIL_RADIUS) + _NOISE) ** (_DETAIL_POWER / 2)
        for detail in (visible, infrared)
    ]
    share = powers[1] / (powers[0] + powers[1])
    return _mean(np.asarray(share, np.float32), _DETAIL_RADIUS)


def guided_filter(guide: Weights, image: Weights, radius: int, epsilon: float) -> Weights:
    """He et al.'s guided filter, eq. 5 to 8: ``image`` smoothed, with the edges of ``guide``.

    Both are (H, W) float32; windows have 2 ``radius`` + 1 pixels a side and repeat the border.
    """
    mean_guide, mean_image = _mean(guide, radius), _mean(image, radius)
    covariance = _mean(guide * image, radius) - mean_guide * mean_image
    variance = _mean(guide * guide, radius) - mean_guide * mean_guide
    slope = covariance / (variance + np.float32(epsilon))
    offset = mean_image - slope * mean_guide
    return _mean(slope, radius) * guide + _mean(offset, radius)


def _mean(image: Weights, radius: int) -> Weights:
    side = 2 * radius + 1
    filtered = cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(filtered, np.float32)


def _radius(image: Weights, share: float) -> int:
    return max(round(min(image.shape) * share), 2)
