"""The window of a running tracker: both modalities, box, score and rate; keys steer the run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.windows.window import MAX_SIZE, Window

_TITLE = "rgbt-track"
_RATE_FRAMES = 30
_KEYS = {"space": "pause", "p": "pause", "r": "redraw", "q": "quit", "escape": "quit"}
_HELP = "space: pause   r: redraw   q: quit"


class LiveWindow(AbstractContextManager["LiveWindow"]):
    """Shows drawn frame pairs (``io.drawing.draw_pair``), and what the user wants next."""

    def __init__(self) -> None:
        self._window: Window | None = None
        self._moments: deque[float] = deque(maxlen=_RATE_FRAMES)

    def __exit__(self, *_: object) -> None:
        if self._window is not None:
            self._window.__exit__()

    @property
    def rate(self) -> float:
        """Frames per second over the last frames shown; 0 before the second one."""
        if len(self._moments) < 2:
            return 0.0
        return (len(self._moments) - 1) / max(self._moments[-1] - self._moments[0], 1e-9)

    def show(
        self, pair: NDArray[np.uint8], scores: Sequence[float], dropped: int | None = None
    ) -> str:
        """Show a pair, (H, 2 W, 3) RGB, and a line below it; returns "", "redraw" or "quit".

        While the user pauses, it does not return. ``dropped`` is the count of dropped frames.
        """
        self._moments.append(time.monotonic())
        drops = f"   dropped {dropped}" if dropped is not None else ""
        numbers = " ".join(f"{score:.2f}" for score in scores)
        line = f"{self.rate:5.1f} frames/s   score {numbers}{drops}      {_HELP}"
        image = _with_line(pair, line)
        if self._window is None:
            size = image.shape[1], image.shape[0]
            self._window = Window(_TITLE, size, "leave out --show")
        self._window.show(image)
        action = _KEYS.get(self._window.key(1), "")
        if action != "pause":
            return action
        self._window.show(_with_line(pair, "paused      " + _HELP))
        while not (action := _KEYS.get(self._window.key(50), "")):
            pass
        self._moments.clear()
        return "" if action == "pause" else action


def _with_line(pair: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    height, width = pair.shape[:2]
    scale = min(MAX_SIZE[0] / width, (MAX_SIZE[1] - 28) / height, 2.0)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(pair, None, fx=scale, fy=scale, interpolation=method)
    bar = np.zeros((28, scaled.shape[1], 3), np.uint8)
    cv2.putText(bar, text, (8, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([scaled, bar])
