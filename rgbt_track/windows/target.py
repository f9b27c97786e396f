"""Drawing the target's box with the mouse, in whichever modality shows it better."""

from __future__ import annotations

import cv2

from rgbt_track.io.frames import Frame, prepare_frames
from rgbt_track.windows.panels import ACCENT, Panels, Place
from rgbt_track.windows.window import Window

_TITLE = "Draw the target"
_HELP = "Drag a box around the target, in either picture. Enter: take it   c: clear   Esc: cancel"


def draw_target(rgb: Frame, tir: Frame) -> list[float]:
    """Let the user draw the target on a frame pair: x, y, w, h in pixels of the visible frame.

    Raises ``ValueError`` without a display, where the user cancels, and for frames that do not fit.
    """
    panels = Panels(prepare_frames(rgb, tir))
    corners: list[Place] = []
    is_dragging = False

    def handle(action: str, x: int, y: int) -> None:
        nonlocal is_dragging
        place = panels.place(x, y)
        if action == "press":
            corners[:] = [place, place]
            is_dragging = True
        elif is_dragging:
            start = corners[0].panel
            if place.panel != start:  # a drag that leaves its panel ends at the panel's edge
                is_right = panels.names.index(place.panel) > panels.names.index(start)
                place = Place(start, panels.width(start) - 1 if is_right else 0, place.y)
            corners[1] = place
        if action == "release":
            is_dragging = False

    with Window(_TITLE, panels.size, "give the target as --box x,y,w,h") as window:
        window.on_mouse(handle)
        while True:
            image = panels.image(_HELP)
            if corners:
                for name in panels.names:
                    first, second = (
                        panels.pixel(corner._replace(panel=name)) for corner in corners
                    )
                    cv2.rectangle(image, first, second, ACCENT, 2, cv2.LINE_AA)
            window.show(image)
            key = window.key(20)
            box = _box(corners)
            if key == "c":
                corners.clear()
            elif key in ("enter", "space") and box is not None:
                return box
            elif key in ("escape", "q"):
                raise ValueError("no target was drawn: draw one, or give it as --box x,y,w,h")


def _box(corners: list[Place]) -> list[float] | None:
    """x, y, w, h of two corners; ``None`` for less than a pixel."""
    if not corners:
        return None
    (left, right), (top, bottom) = (sorted(c) for c in zip(*(c[1:] for c in corners), strict=True))
    size = right - left, bottom - top
    return [left, top, *size] if min(size) >= 1 else None
