"""With ``pysot_exact`` our loop gives pysot's boxes: a plain twin of its SiamRPN loop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rgbt_track.config.tracker import Config, ModelConfig, TrackingConfig
from rgbt_track.models.interface import Response
from rgbt_track.tracking.tracker import Tracker

RATIOS, STRIDE, SCALE, SIZE = [0.33, 0.5, 1, 2, 3], 8, 8, 25
PENALTY_K, WINDOW, LR = 0.05, 0.42, 0.38


class RandomResponse(nn.Module):
    """A response that depends on every part of the crop, without any training."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.mix = torch.randn(30, 3, generator=torch.Generator().manual_seed(seed))

    def answer(self, crop: Tensor) -> Response:
        pooled = torch.nn.functional.adaptive_avg_pool2d(crop, SIZE) / 255 - 0.5
        maps = torch.einsum("oc,bcyx->boyx", self.mix, pooled)
        return Response(2 * maps[:, :10], 0.4 * maps[:, 10:])

    def template_levels(self, crops: dict[str, Tensor], target: Tensor) -> dict[str, list[Tensor]]:
        return {name: [crop.mean(dim=(2, 3))] for name, crop in crops.items()}

    def kernels(self, levels: dict[str, list[Tensor]]) -> dict[str, list[Tensor]]:
        return levels

    def search(self, kernels: object, crops: dict[str, Tensor]) -> dict[str, Response]:
        return {name: self.answer(crop) for name, crop in crops.items()}


class PysotLoop:
    """pysot's loop as its paper and configuration describe it; boxes and centres are its own."""

    def __init__(self, network: RandomResponse) -> None:
        self.network = network
        self.anchors = []
        for ratio in RATIOS:
            width = int(np.sqrt(STRIDE * STRIDE / ratio))
            height = int(width * ratio)
            for row in range(SIZE):
                for column in range(SIZE):
                    x, y = (column - SIZE // 2) * STRIDE, (row - SIZE // 2) * STRIDE
                    self.anchors.append([x, y, width * SCALE, height * SCALE])
        self.anchors = np.array(self.anchors, np.float32)
        hanning = np.hanning(SIZE)
        self.window = np.tile(np.outer(hanning, hanning).flatten(), len(RATIOS))

    def init(self, image: np.ndarray, box: np.ndarray) -> None:
        self.center = np.array([box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2])
        self.size = np.array([box[2], box[3]], float)
        self.average = image.mean(axis=(0, 1))

    def track(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        context = self.size.sum() * 0.5
        side_z = np.sqrt((self.size[0] + context) * (self.size[1] + context))
        scale_z = 127 / side_z
        crop = self.subwindow(image, round(side_z * 255 / 127))
        cls, loc = self.network.answer(torch.from_numpy(crop).permute(2, 0, 1)[None].float())
        logits = cls.permute(1, 2, 3, 0).contiguous().view(2, -1).permute(1, 0)
        score = logits.softmax(1)[:, 1].numpy()
        delta = loc.permute(1, 2, 3, 0).contiguous().view(4, -1).numpy()
        x = delta[0] * self.anchors[:, 2] + self.anchors[:, 0]
        y = delta[1] * self.anchors[:, 3] + self.anchors[:, 1]
        w, h = np.exp(delta[2]) * self.anchors[:, 2], np.exp(delta[3]) * self.anchors[:, 3]

        def change(r):
            return np.maximum(r, 1 / r)

        def padded(w, h):
            pad = (w + h) * 0.5
            return np.sqrt((w + pad) * (h + pad))

        scale_penalty = change(padded(w, h) / padded(*(self.size * scale_z)))
        ratio_penalty = change((self.size[0] / self.size[1]) / (w / h))
        penalty = np.exp(-(ratio_penalty * scale_penalty - 1) * PENALTY_K)
        best = np.argmax(penalty * score * (1 - WINDOW) + self.window * WINDOW)
        box = np.array([x[best], y[best], w[best], h[best]]) / scale_z
        rate = penalty[best] * score[best] * LR
        height, width = image.shape[:2]
        self.center = np.clip(box[:2] + self.center, 0, [width, height])
        self.size = np.clip(self.size * (1 - rate) + box[2:] * rate, 10, [width, height])
        return np.concatenate([self.center - self.size / 2, self.size]), float(score[best])

    def subwindow(self, image: np.ndarray, side: int) -> np.ndarray:
        c = (side + 1) / 2
        left, top = (int(np.floor(p - c + 0.5)) for p in self.center)
        patch = np.empty((side, side, 3), np.uint8)
        patch[:] = self.average.astype(np.uint8)
        for row in range(side):
            for column in range(side):
                if 0 <= top + row < image.shape[0] and 0 <= left + column < image.shape[1]:
                    patch[row, column] = image[top + row, left + column]
        return patch if side == 255 else cv2.resize(patch, (255, 255))


def exact_tracker(network: nn.Module, exact: bool) -> Tracker:
    tracking = TrackingConfig(
        penalty_k=PENALTY_K, window_influence=WINDOW, size_lr=LR, pysot_exact=exact
    )
    return Tracker(network, Config("pysot", ModelConfig(), tracking))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("modality", ["rgb", "tir"])
def test_exact_mode_gives_pysots_boxes(seed: int, modality: str) -> None:
    rng = np.random.default_rng(seed)
    network = RandomResponse(seed)
    frames = [
        cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (160, 120)) for _ in range(8)
    ]
    box = np.array(
        [rng.uniform(5, 90), rng.uniform(5, 60), rng.uniform(15, 50), rng.uniform(15, 50)]
    )
    twin, tracker = PysotLoop(network), exact_tracker(network, exact=True)
    twin.init(frames[0], box)
    state = tracker.init(*in_place(frames[0], modality), box)
    for frame in frames[1:]:
        expected, score = twin.track(frame)
        state = tracker.update(*in_place(frame, modality), state)
        np.testing.assert_allclose(state.box, expected, atol=1e-3)
        assert state.score == pytest.approx(score, abs=1e-5)


def in_place(frame: np.ndarray, modality: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    return (frame, None) if modality == "rgb" else (None, frame)


def test_the_default_differs_by_pysots_drift_only() -> None:
    """One step from the same state: the two differ by about the half pixel that pysot loses."""
    rng = np.random.default_rng(5)
    network = RandomResponse(5)
    frame = cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (160, 120))
    boxes = []
    for exact in (True, False):
        tracker = exact_tracker(network, exact)
        boxes.append(tracker.update(frame, None, tracker.init(frame, None, [60, 40, 31, 27])).box)
    assert 0.05 < np.abs(boxes[0] - boxes[1]).max() < 3
