"""An engine that finds a bright disc in the crop, exactly and without weights.

With it the tracker's geometry, state and decision are tested apart from any network. Each branch
answers only for what its own modality shows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.tracker import AnchorConfig, Config, ModelConfig, TrackingConfig
from rgbt_track.models.anchors import anchor_boxes
from rgbt_track.models.engines.interface import BranchResponse, InputCrops, Template
from rgbt_track.models.grid import grid_cells
from rgbt_track.tracking.tracker import Tracker

ANCHORS = AnchorConfig(stride=8, ratios=(1.0,), scales=(8.0,))
TEMPLATE_CELLS = 7


class DiscEngine:
    """Responds with the box of the brightest disc nearest to the crop's center.

    A branch's template features are the mean color (3,) of its crop; nothing depends on them.
    """

    def template(self, crops: InputCrops, target: NDArray[np.float32] | None = None) -> Template:
        features = {name: crop[0].mean(axis=(1, 2)) for name, crop in crops.items()}
        if len(crops) == 2:
            features["fused"] = (features["rgb"] + features["tir"]) / 2
        return features

    def blend(self, first: Template, present: Template, rate: float) -> Template:
        names = [name for name in first if name in present]
        blended = {name: (1 - rate) * first[name] + rate * present[name] for name in names}
        return {**first, **blended}

    def search(self, template: Template, crops: InputCrops) -> dict[str, BranchResponse]:
        inputs = dict(crops)
        if len(crops) == 2:
            inputs["fused"] = np.maximum(crops["rgb"], crops["tir"])
        return {name: respond(crop) for name, crop in inputs.items() if name in template}


def respond(crop: np.ndarray) -> BranchResponse:
    """The response to a crop (1, 3, S, S)."""
    pixels = crop[0, 0]
    size = grid_cells(len(pixels), ANCHORS.stride) - TEMPLATE_CELLS + 1
    cls = np.zeros((2, size**2), np.float32)
    loc = np.zeros((4, size**2), np.float32)
    cls[1] = -8
    if (pixels > 200).any():
        weight = np.clip((pixels - 60) / 180, 0, 1)
        ys, xs = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5 - pixels.shape[0] / 2
        x, y = (xs * weight).sum() / weight.sum(), (ys * weight).sum() / weight.sum()
        side = 2 * np.sqrt(weight.sum() / np.pi)
        anchors = anchor_boxes(ANCHORS, size)
        loc[0], loc[1] = (x - anchors[:, 0]) / anchors[:, 2], (y - anchors[:, 1]) / anchors[:, 3]
        loc[2], loc[3] = np.log(side / anchors[:, 2]), np.log(side / anchors[:, 3])
        cls[1, np.hypot(anchors[:, 0] - x, anchors[:, 1] - y).argmin()] = 6
    return BranchResponse(cls.reshape(2, 1, size, size), loc.reshape(4, 1, size, size))


def disc_tracker(**settings: object) -> Tracker:
    tracking = TrackingConfig(**{"window_influence": 0.2, "size_lr": 0.9, **settings})  # type: ignore[arg-type]
    model = ModelConfig(anchors=ANCHORS)
    return Tracker(DiscEngine(), Config("disc", model, tracking))


def disc_frame(
    x: float, y: float, radius: float, width: int = 320, height: int = 240
) -> np.ndarray:
    """A grey frame with an antialiased white disc at continuous (x, y); (H, W, 3) uint8."""
    ys, xs = np.mgrid[:height, :width] + 0.5
    inside = np.clip(radius - np.hypot(xs - x, ys - y) + 0.5, 0, 1)
    # A faint texture, so that a frame without a disc is still no blank frame.
    ground = 40 + 6 * np.sin(xs / 5) * np.cos(ys / 7)
    return np.repeat((ground + (240 - ground) * inside)[..., None], 3, axis=2).astype(np.uint8)
