"""Published RGB trackers behind the calls of ours, to be compared with it.

Each takes one image: the visible or the thermal one, or the mean of both where it is given both.
``init(rgb, tir, box)`` and ``update(rgb, tir, state)`` are those of ``rgbt_track.Tracker``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rgbt_track.boxes import cxcywh_to_xywh, xywh_to_cxcywh
from rgbt_track.crops import CropRegion, context_side
from rgbt_track.io.frames import prepare_frames
from rgbt_track.resources import require


def bgr_image(rgb: np.ndarray | None, tir: np.ndarray | None) -> np.ndarray:
    """The image (H, W, 3) uint8 in BGR order that a single-image tracker gets."""
    frames = list(prepare_frames(rgb, tir).values())
    image = frames[0] if len(frames) == 1 else cv2.addWeighted(frames[0], 0.5, frames[1], 0.5, 0)
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


@dataclass(frozen=True)
class OpenCVState:
    """The box, x, y, w, h, and OpenCV's own tracker, which changes with every frame."""

    box: np.ndarray
    tracker: Any


class OpenCVTracker:
    """A tracker of OpenCV; where it reports a loss, the box stays."""

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create

    def init(self, rgb: np.ndarray | None, tir: np.ndarray | None, box: np.ndarray) -> OpenCVState:
        tracker = self._create()
        tracker.init(bgr_image(rgb, tir), [round(value) for value in box])
        return OpenCVState(np.asarray(box, float), tracker)

    def update(
        self, rgb: np.ndarray | None, tir: np.ndarray | None, state: OpenCVState
    ) -> OpenCVState:
        is_found, box = state.tracker.update(bgr_image(rgb, tir))
        return replace(state, box=np.array(box, float)) if is_found else state


def opencv_trackers(names: list[str], vit: str | None) -> Iterator[tuple[str, OpenCVTracker]]:
    """Those of OpenCV's trackers that this build has, by name; ViTTrack where its file is given."""
    for name in names:
        if hasattr(cv2, f"Tracker{name}"):
            yield name, OpenCVTracker(getattr(cv2, f"Tracker{name}").create)
        else:
            print(f"{name} is not in this OpenCV: pip install opencv-contrib-python")
    if vit:
        settings = cv2.TrackerVit_Params()
        settings.net = vit
        yield "ViTTrack", OpenCVTracker(lambda: cv2.TrackerVit.create(settings))


@dataclass(frozen=True)
class NanoState:
    """The box, x, y, w, h; center and size of which it is clipped; template; padding."""

    box: np.ndarray
    box_cxcywh: np.ndarray
    kernel: np.ndarray
    pad_value: np.ndarray
    score: float = 1.0


class NanoTrack:
    """NanoTrack v3 (HonglinChu/SiamTrackers, Apache-2.0) run by ONNX Runtime.

    Template crops of 127 pixels and search crops of 255, with SiamFC's context; a response of
    15 x 15 points, 16 pixels apart, each with two logits and the distances of its box to the left,
    top, right and bottom. Penalty, window and size rate are those that it was published with.

    Args:
        folder: holds ``backbone.onnx``, an image to features, and ``head.onnx``, features of
            template and search image to logits and distances.
        threads: CPU threads.
    """

    TEMPLATE, SEARCH, STRIDE, POINTS = 127, 255, 16, 15
    PENALTY_K, WINDOW_INFLUENCE, SIZE_LR = 0.138, 0.455, 0.348
    SMALLEST_SIDE = 10.0

    def __init__(self, folder: str | Path, threads: int = 1) -> None:
        require("onnx", "onnx", "onnxruntime")
        self._backbone = _session(Path(folder) / "backbone.onnx", threads)
        self._head = _session(Path(folder) / "head.onnx", threads)
        offsets = (np.arange(self.POINTS) - self.POINTS // 2) * float(self.STRIDE)
        self._points = np.stack(np.meshgrid(offsets, offsets))  # (2, 15, 15): x, y
        self._window = np.outer(np.hanning(self.POINTS), np.hanning(self.POINTS))

    def init(self, rgb: np.ndarray | None, tir: np.ndarray | None, box: np.ndarray) -> NanoState:
        image, target = bgr_image(rgb, tir), xywh_to_cxcywh(box)
        pad_value = image.mean((0, 1))
        region = CropRegion.around(*target[:2], context_side(*target[2:]), self.TEMPLATE)
        kernel = self._features(region.cut(image, pad_value))
        return NanoState(np.asarray(box, float), target, kernel, pad_value)

    def update(self, rgb: np.ndarray | None, tir: np.ndarray | None, state: NanoState) -> NanoState:
        image, last = bgr_image(rgb, tir), state.box_cxcywh
        side = context_side(*last[2:]) * self.SEARCH / self.TEMPLATE
        region = CropRegion.around(*last[:2], side, self.SEARCH)
        probability, boxes = self._response(state.kernel, region.cut(image, state.pad_value))
        # SiamRPN's penalty on changes of size and ratio, and cosine window.
        width, height = boxes[2:]
        last_width, last_height = last[2:] * region.scale
        scale_change = _ratio(_padded(width, height) / _padded(last_width, last_height))
        aspect_change = _ratio((last_width / last_height) / (width / height))
        penalty = np.exp(-(scale_change * aspect_change - 1) * self.PENALTY_K)
        window = self._window * self.WINDOW_INFLUENCE
        best = np.argmax(penalty * probability * (1 - self.WINDOW_INFLUENCE) + window)
        place = np.unravel_index(best, probability.shape)
        # Back to image coordinates; the size follows at its rate.
        found = region.centered_to_image(boxes[(slice(None), *place)])
        rate = penalty[place] * probability[place] * self.SIZE_LR
        frame_size = np.array(image.shape[1::-1], float)
        center = np.clip(found[:2], 0, frame_size)
        size = np.clip(last[2:] * (1 - rate) + found[2:] * rate, self.SMALLEST_SIDE, frame_size)
        target = np.concatenate([center, size])
        score = float(probability[place])
        return replace(state, box=cxcywh_to_xywh(target), box_cxcywh=target, score=score)

    def _response(self, kernel: np.ndarray, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (15, 15) and boxes (4, 15, 15), cxcywh from the center of the crop."""
        inputs = (kernel, self._features(crop))
        names = [item.name for item in self._head.get_inputs()]
        logits, distances = self._head.run(None, dict(zip(names, inputs, strict=True)))
        probability = 1 / (1 + np.exp(logits[0, 0] - logits[0, 1]))
        low, high = self._points - distances[0, :2], self._points + distances[0, 2:]
        size = np.maximum(high - low, 1e-3)
        return probability, np.concatenate([(low + high) / 2, size])

    def _features(self, crop: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32)
        return self._backbone.run(None, {self._backbone.get_inputs()[0].name: image})[0]


def _session(path: Path, threads: int) -> Any:
    """A graph to run; its height and width are freed, as both crops go through one backbone."""
    import onnx
    import onnxruntime

    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}; expected backbone.onnx and head.onnx")
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
    del model.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def _ratio(change: np.ndarray) -> np.ndarray:
    return np.maximum(change, 1 / change)


def _padded(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    padding = (width + height) / 2
    return np.sqrt((width + padding) * (height + padding))
