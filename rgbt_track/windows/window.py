"""One window of OpenCV that fits the screen, may be resized, and reports keys and the mouse."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_SIZE = (1240, 640)  # pixels; smaller than a laptop's screen with its bars

OnMouse = Callable[[str, int, int], None]

_MOUSE = {
    cv2.EVENT_LBUTTONDOWN: "press",
    cv2.EVENT_MOUSEMOVE: "move",
    cv2.EVENT_LBUTTONUP: "release",
}
_KEYS = {13: "enter", 10: "enter", 27: "escape", 32: "space", 8: "backspace", 127: "backspace"}


class Window(AbstractContextManager["Window"]):
    """A window for images of one size; the mouse is reported in pixels of the image.

    Args:
        title: in its frame; names it, too.
        size: width and height of the images.
        instead: what to do without a window, for the error.

    Raises ``ValueError`` where there is no display or OpenCV cannot open windows.
    """

    def __init__(self, title: str, size: tuple[int, int], instead: str):
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise ValueError(f"there is no display for a window: {instead}")
        self.title = title
        try:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(title, flags)
            cv2.resizeWindow(title, *size)
        except cv2.error:
            raise ValueError(
                f"this OpenCV cannot open windows: {instead}, or install opencv-python instead of "
                "its headless variant"
            ) from None
        self._was_shown = False

    def __exit__(self, *_: object) -> None:
        if self.is_open:
            cv2.destroyWindow(self.title)
            cv2.waitKey(1)

    @property
    def is_open(self) -> bool:
        """Whether the user has not closed the window."""
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            return False

    def on_mouse(self, handler: OnMouse) -> None:
        """Call ``handler(action, x, y)`` with "press", "move" and "release" of the left button."""

        def handle(event: int, x: int, y: int, flags: int, data: object) -> None:
            if event in _MOUSE:
                handler(_MOUSE[event], x, y)

        cv2.setMouseCallback(self.title, handle)

    def show(self, rgb: NDArray[np.uint8]) -> None:
        """Show an image, (H, W, 3) RGB uint8."""
        cv2.imshow(self.title, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self._was_shown = True

    def key(self, milliseconds: int) -> str:
        """The key pressed within that time: a character, "enter", "escape", "space", ...; or "".

        A window that the user has closed gives "escape".
        """
        code = cv2.waitKey(milliseconds)
        if self._was_shown and not self.is_open:
            return "escape"
        if code < 0:
            return ""
        code &= 0xFF
        return _KEYS.get(code, chr(code))
