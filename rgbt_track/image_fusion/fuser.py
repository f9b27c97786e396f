"""From camera frames to fused pictures: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
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
    parts_tiled,
    quicken,
    to_uint8,
)
from fusion_modules.image.fast_lrrnet import QuickLRRNet
from rgbt_track.io.frames import Frame, prepare_frames
from rgbt_track.threads import torch_threads

Picture = NDArray[np.uint8]
_QUICK_TILE, _EAGER_TILE, _GPU_TILE = 256, 128, 1024
_MOST_THREADS = 8


@dataclass(frozen=True, eq=False)
class FusedFrame:
    """A fused pair; all pictures are uint8, of the visible frame's size.

    ``picture`` is what to show: ``grey`` (H, W), or (H, W, 3) RGB with the visible frame's colours.
    ``visible`` and ``infrared`` are the grey pictures that went in; ``visible_rgb`` is (H, W, 3).
    """

    picture: Picture
    grey: Picture
    visible: Picture
    infrared: Picture
    visible_rgb: Picture


class Fuser:
    """Fuses frames of any size with one network.

    Args:
        network: in [0, 1], grey; it is put into eval mode.
        device: where the network runs. Processors get its quick form.
        tile: pictures are computed in tiles of this side, without seams; 0 for whole pictures,
            ``None`` for what is quick and needs little memory.
        color: fuse the luminance (YCbCr) of colour frames and keep their chroma.
    """

    def __init__(
        self,
        network: ImageFusion,
        device: str | torch.device = "cpu",
        tile: int | None = None,
        color: bool = True,
    ):
        if tile is not None and tile < 0:
            raise ValueError(f"tile is {tile}; expected 0 (whole pictures) or a side in pixels")
        self.device = torch.device(device)
        network = network.eval().to(self.device)
        self.network = quicken(network) if self.device.type == "cpu" else network
        self.tile = tile if tile is not None else self._good_tile()
        self.color = color
        threads = min(torch.get_num_threads(), _MOST_THREADS) if self.device.type == "cpu" else 1
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None

    def fuse(self, rgb: Frame, tir: Frame) -> FusedFrame:
        """Fuse one visible and one thermal frame of any format that cameras deliver.

        Both are scaled by their own range before, and the output after, as in the authors' code.
        Raises ``ValueError`` for frames that are missing or do not fit.
        """
        return self.fuse_batch([(rgb, tir)])[0]

    def fuse_batch(self, pairs: Sequence[tuple[Frame, Frame]]) -> list[FusedFrame]:
        """Fuse frames of one size in one batch; order is kept."""
        ready = [_prepared(*pair) for pair in pairs]
        visible, infrared = self._batch([r[1] for r in ready]), self._batch([r[2] for r in ready])
        with torch.inference_mode(), self._threads():
            if self.tile:
                output = fuse_tiled(self.network, visible, infrared, self.tile, self._executor)
            else:
                output = self.network(visible, infrared)
            pictures = to_uint8(output)[:, 0].cpu().numpy()
        return [
            FusedFrame(self._colored(grey, color), grey, vis, tir, color)
            for grey, (color, vis, tir) in zip(pictures, ready, strict=True)
        ]

    def parts(self, rgb: Frame, tir: Frame) -> dict[str, Picture]:
        """The network's parts of a pair, each scaled to 0..255 by its own range.

        Raises ``ValueError`` for a network that has none.
        """
        if not self.network.part_names:
            raise ValueError(f"{type(self.network).__name__} has no parts to show")
        _, visible, infrared = _prepared(rgb, tir)
        side = self.tile or max(visible.shape)
        inputs = self._batch([visible]), self._batch([infrared])
        with torch.inference_mode(), self._threads():
            parts = parts_tiled(self.network, *inputs, side, self._executor)
            return {name: to_uint8(part)[0, 0].cpu().numpy() for name, part in parts.items()}

    def _threads(self) -> AbstractContextManager[None]:
        """One thread per tile instead of many per operation: the operations are small."""
        return torch_threads(1 if self.tile and self._executor else None)

    def _good_tile(self) -> int:
        """Small enough for the caches, large enough for the margin to be a small part."""
        if self.device.type != "cpu":
            return _GPU_TILE
        is_quick = isinstance(self.network, QuickLRRNet)
        return _QUICK_TILE if is_quick else max(_EAGER_TILE, 8 * self.network.margin)

    def _batch(self, pictures: list[Picture]) -> Tensor:
        if len({picture.shape for picture in pictures}) > 1:
            raise ValueError("a batch needs frames of one size; use a batch of 1")
        pixels = torch.from_numpy(np.stack(pictures)).to(self.device)
        return min_max(pixels.unsqueeze(1).float())  # (B, 1, H, W)

    def _colored(self, grey: Picture, visible: Picture) -> Picture:
        if not self.color or is_grey(visible):
            return grey
        ycc = cv2.cvtColor(visible, cv2.COLOR_RGB2YCrCb)
        ycc[..., 0] = grey
        return cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)


def is_grey(rgb: Picture) -> bool:
    """Whether the three channels are equal."""
    first = rgb[..., 0]
    return np.array_equal(first, rgb[..., 1]) and np.array_equal(first, rgb[..., 2])


def side_by_side(frame: FusedFrame) -> Picture:
    """Visible, infrared and fused picture next to each other, (H, 3 W, 3) RGB."""
    panels = [frame.visible_rgb, as_rgb(frame.infrared), as_rgb(frame.picture)]
    return np.hstack(panels)


def as_rgb(picture: Picture) -> Picture:
    """(H, W) or (H, W, 3) -> (H, W, 3)."""
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture


def _prepared(rgb: Frame, tir: Frame) -> tuple[Picture, Picture, Picture]:
    """The visible frame in RGB, and both in grey, all of the visible frame's size."""
    if rgb is None or tir is None:
        raise ValueError("fusing needs a visible and a thermal frame: give both --rgb and --tir")
    frames = prepare_frames(rgb, tir)
    visible, infrared = (cv2.cvtColor(frames[m], cv2.COLOR_RGB2GRAY) for m in ("rgb", "tir"))
    return frames["rgb"], visible, infrared
