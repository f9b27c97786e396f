"""Clicking the same points of a scene in both modalities, with a magnifier under the mouse."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.windows.panels import ACCENT, Panels, Place
from rgbt_track.windows.window import Window

Points = NDArray[np.float64]

_TITLE = "Register the cameras"
_HELP = "Click one point in both pictures, by turns.  Backspace: undo   Enter: done   Esc: cancel"


def click_pairs(
    rgb: NDArray[np.uint8],
    tir: NDArray[np.uint8],
    least: int,
    residual: Callable[[Points, Points], float | None],
) -> tuple[Points, Points]:
    """Let the user click pairs of points; returns the visible and the thermal ones, (N, 2) each.

    Args:
        rgb: (H, W, 3) uint8 visible frame.
        tir: (H, W, 3) uint8 thermal frame, of any size.
        least: how many pairs are needed.
        residual: of the pairs so far, in visible pixels, shown while clicking; ``None`` for none.

    Raises ``ValueError`` without a display, and where the user cancels.
    """
    panels = Panels({"rgb": rgb, "tir": tir})
    clicks: dict[str, list[Place]] = {"rgb": [], "tir": []}
    order: list[str] = []
    mouse: list[Place] = []

    def handle(action: str, x: int, y: int) -> None:
        place = panels.place(x, y)
        mouse[:] = [place]
        other = "tir" if place.panel == "rgb" else "rgb"
        # A second click into the same picture moves the point that waits for its partner.
        if action == "press":
            if len(clicks[place.panel]) > len(clicks[other]):
                clicks[place.panel].pop()
                order.pop()
            clicks[place.panel].append(place)
            order.append(place.panel)

    with Window(_TITLE, panels.size, "give the points as --points FILE") as window:
        window.on_mouse(handle)
        while True:
            pairs = min(len(clicks["rgb"]), len(clicks["tir"]))
            points = _points(clicks["rgb"][:pairs]), _points(clicks["tir"][:pairs])
            error = residual(*points) if pairs >= least else None
            fit = f"   residual {error:.2f} px" if error is not None else ""
            image = panels.image(f"{pairs} pairs{fit}   {_HELP}")
            for places in clicks.values():
                for number, place in enumerate(places, start=1):
                    _mark(image, panels.pixel(place), number)
            if mouse:
                panels.draw_loupe(image, mouse[0])
            window.show(image)
            key = window.key(20)
            if key == "backspace" and order:
                clicks[order.pop()].pop()
            elif key == "enter" and pairs >= least:
                return points
            elif key in ("escape", "q"):
                raise ValueError(
                    f"{pairs} point pairs were clicked; click at least {least} and press Enter, or "
                    "give --points FILE"
                )


def _points(places: list[Place]) -> Points:
    return np.array([place[1:] for place in places], float).reshape(-1, 2)


def _mark(image: NDArray[np.uint8], pixel: tuple[int, int], number: int) -> None:
    cv2.drawMarker(image, pixel, ACCENT, cv2.MARKER_CROSS, 13, 1, cv2.LINE_AA)
    place = (pixel[0] + 7, pixel[1] - 5)
    cv2.putText(image, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ACCENT, 1, cv2.LINE_AA)
