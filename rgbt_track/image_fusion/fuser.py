"""Fusing camera frames: numpy images in, fused numpy images out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion_modules.image import (
    ImageFusion,
    fuse_tiled,
    min_max,
    optimize_for_cpu,
    parts_tiled,
    to_uint8,
)
from fusion_modules.image.fast_lrrnet import FastLRRNet
from rgbt_track.image_fusion.natural import NaturalLook
from rgbt_track.image_fusion.steady_range import SteadyRange
from rgbt_track.io.frames import Frame, prepare_frames
from rgbt_track.registration.model import Registration
from rgbt_track.threads import torch_threads

Image = NDArray[np.uint8]

# Sides of tiles: small enough for the CPU's caches, large enough for the margin to be a small part.
_FAST_TILE, _EAGER_TILE, _GPU_TILE = 256, 128, 1024
_MAX_THREADS = 8


@dataclass(frozen=True, eq=False)
class FusedFrame:
    """A fused pair; all images are uint8, of the visible frame's size.

    Args:
        image: the result: ``gray`` (H, W), or (H, W, 3) RGB with the visible frame's colors.
        gray: (H, W) the fused luminance.
        visible: (H, W) the gray visible input.
        infrared: (H, W) the gray infrared input.
        visible_rgb: (H, W, 3) the visible frame.
    """

    image: Image
    gray: Image
    visible: Image
    infrared: Image
    visible_rgb: Image


class Fuser:
    """Fuses frames of any size with one network.

    Args:
        network: a network for gray images in [0, 1]; it is put into eval mode.
        device: where the network runs. On a CPU its optimized form is used.
        tile: images are computed in tiles of this side, without seams; 0 for whole images,
            ``None`` for a side that is fast and needs little memory.
        color: fuse the luminance (YCbCr) of color frames and keep their chroma.
        registration: that the thermal frames were warped by; beyond their field the fused image is
            the visible one.
        look: how the network's output becomes the fused image: ``None`` takes it as it is, and
            gives the authors' pictures; a ``NaturalLook`` takes it as advice on mixing the sources.
        is_video: frames come in the order of one video: 16 bits become 8 by a range that moves
            slowly (``SteadyRange``), not by each frame's own.
    """

    def __init__(
        self,
        network: ImageFusion,
        device: str | torch.device = "cpu",
        tile: int | None = None,
        color: bool = True,
        registration: Registration | None = None,
        look: NaturalLook | None = None,
        is_video: bool = False,
    ):
        if tile is not None and tile < 0:
            raise ValueError(f"tile is {tile}; expected 0 (whole images) or a side in pixels")
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        self.color, self._registration, self._look = color, registration, look
        self._ranges = (SteadyRange(), SteadyRange()) if is_video else None
        is_cpu = self.device.type == "cpu"
        if is_cpu:
            self.network = optimize_for_cpu(self.network)
        if tile is None:
            tile = max(_EAGER_TILE, 8 * self.network.margin)
            if isinstance(self.network, FastLRRNet):
                tile = _FAST_TILE
            tile = tile if is_cpu else _GPU_TILE
        self.tile = tile
        # One thread per tile instead of many per operation, because the operations are small.
        threads = min(torch.get_num_threads(), _MAX_THREADS) if is_cpu else 1
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None
        self._operation_threads = 1 if self.tile and self._executor else None

    def fuse(self, rgb: Frame, tir: Frame) -> FusedFrame:
        """Fuse one visible and one thermal frame of any format that cameras deliver.

        Inputs and output are scaled by their own ranges, as in the authors' code.
        Raises ``ValueError`` for frames that are missing or do not fit.
        """
        return self.fuse_batch([(rgb, tir)])[0]

    def fuse_batch(self, pairs: Sequence[tuple[Frame, Frame]]) -> list[FusedFrame]:
        """Fuse frames of one size in one batch; order is kept."""
        if self._ranges is not None:
            visible_range, thermal_range = self._ranges
            pairs = [(visible_range.stretch(rgb), thermal_range.stretch(tir)) for rgb, tir in pairs]
        prepared = [_prepare(*pair) for pair in pairs]
        visible = self._to_batch([gray_visible for _, gray_visible, _ in prepared])
        infrared = self._to_batch([gray_infrared for _, _, gray_infrared in prepared])
        with torch.inference_mode(), torch_threads(self._operation_threads):
            if self.tile:
                output = fuse_tiled(self.network, visible, infrared, self.tile, self._executor)
            else:
                output = self.network(visible, infrared)
            fused = to_uint8(output)[:, 0].cpu().numpy()
        frames = []
        for gray, (rgb, gray_visible, gray_infrared) in zip(fused, prepared, strict=True):
            if self._look is not None:
                gray = self._look.mix(gray, gray_visible, gray_infrared)
            gray = self._within_field(gray, gray_visible)
            image = gray
            if self.color and not is_gray(rgb):
                # Fused luminance, chroma of the visible frame.
                ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
                ycc[..., 0] = gray
                image = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)
            frames.append(FusedFrame(image, gray, gray_visible, gray_infrared, rgb))
        return frames

    def parts(self, rgb: Frame, tir: Frame) -> dict[str, Image]:
        """The intermediate images of a pair by name, each scaled to 0..255 by its own range.

        Raises ``ValueError`` for a network that has none.
        """
        if not self.network.part_names:
            raise ValueError(f"{type(self.network).__name__} has no parts to show")
        _, visible, infrared = _prepare(rgb, tir)
        side = self.tile or max(visible.shape)
        inputs = self._to_batch([visible]), self._to_batch([infrared])
        with torch.inference_mode(), torch_threads(self._operation_threads):
            parts = parts_tiled(self.network, *inputs, side, self._executor)
            return {name: to_uint8(part)[0, 0].cpu().numpy() for name, part in parts.items()}

    def _within_field(self, gray: Image, visible: Image) -> Image:
        """The fused luminance where the thermal camera sees, the visible one elsewhere."""
        if self._registration is None:
            return gray
        weight = self._registration.coverage((gray.shape[1], gray.shape[0]))
        return np.round(weight * gray + (1 - weight) * visible).astype(np.uint8)

    def _to_batch(self, images: list[Image]) -> Tensor:
        """(B, 1, H, W) in [0, 1], each image scaled by its own range."""
        if len({image.shape for image in images}) > 1:
            raise ValueError("a batch needs frames of one size; use a batch of 1")
        pixels = torch.from_numpy(np.stack(images)).to(self.device)
        return min_max(pixels.unsqueeze(1).float())


def is_gray(rgb: Image) -> bool:
    """Whether the three channels are equal."""
    red = rgb[..., 0]
    return np.array_equal(red, rgb[..., 1]) and np.array_equal(red, rgb[..., 2])


def side_by_side(frame: FusedFrame) -> Image:
    """Visible, infrared and fused image next to each other, (H, 3 W, 3) RGB."""
    panels = [frame.visible_rgb, as_rgb(frame.infrared), as_rgb(frame.image)]
    return np.hstack(panels)


def as_rgb(image: Image) -> Image:
    """(H, W) or (H, W, 3) -> (H, W, 3)."""
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image


def _prepare(rgb: Frame, tir: Frame) -> tuple[Image, Image, Image]:
    """The visible frame in RGB, and both frames in gray, all of the visible frame's size."""
    if rgb is None or tir is None:
        raise ValueError("fusing needs a visible and a thermal frame: give both --rgb and --tir")
    frames = prepare_frames(rgb, tir)
    visible, infrared = (cv2.cvtColor(frames[m], cv2.COLOR_RGB2GRAY) for m in ("rgb", "tir"))
    return frames["rgb"], visible, infrared
