"""Windows, on a screen of the test's own: what is shown, and what the mouse and keys do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run
from stub_network import disc_frame

from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.images import write_image
from rgbt_track.registration.model import apply_matrix
from rgbt_track.registration.yaml_file import load_registration
from rgbt_track.windows.live import LiveWindow
from rgbt_track.windows.panels import Panels, Place
from rgbt_track.windows.points import click_pairs
from rgbt_track.windows.target import draw_target
from rgbt_track.windows.window import MAX_SIZE, Window

Event = str | tuple[str, int, int]

_ACTIONS = {
    "press": cv2.EVENT_LBUTTONDOWN, "move": cv2.EVENT_MOUSEMOVE, "release": cv2.EVENT_LBUTTONUP,
}  # fmt: skip
_CODES = {"enter": 13, "escape": 27, "space": 32, "backspace": 8, "": -1}


class Screen:
    """OpenCV's window functions; each wait for a key takes the next of ``events``.

    Mouse events before it, ``(action, x, y)``, go to the window's handler; "close" is the user's
    click on the window's cross.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.events: list[Event] = []
        self.shown: list[np.ndarray] = []
        self.sizes: list[tuple[int, int]] = []
        self.open = False
        self._waits = 0
        self._handler: Callable[..., None] = lambda *event: None
        for name in ("namedWindow", "resizeWindow", "imshow", "waitKey", "setMouseCallback",
                     "getWindowProperty", "destroyWindow"):  # fmt: skip
            monkeypatch.setattr(cv2, name, getattr(self, f"_{name}"))
        monkeypatch.setenv("DISPLAY", ":7")

    def _namedWindow(self, title: str, flags: int) -> None:
        assert flags & cv2.WINDOW_KEEPRATIO == cv2.WINDOW_KEEPRATIO
        assert not flags & cv2.WINDOW_AUTOSIZE, "it can be resized"
        self.open = True

    def _resizeWindow(self, title: str, width: int, height: int) -> None:
        self.sizes.append((width, height))

    def _imshow(self, title: str, image: np.ndarray) -> None:
        self.shown.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def _setMouseCallback(self, title: str, handler: Callable[..., None]) -> None:
        self._handler = handler

    def _getWindowProperty(self, title: str, prop: int) -> float:
        return float(self.open)

    def _destroyWindow(self, title: str) -> None:
        self.open = False

    def _waitKey(self, milliseconds: int) -> int:
        while self.events and isinstance(self.events[0], tuple):
            action, x, y = self.events.pop(0)  # type: ignore[misc]
            self._handler(_ACTIONS[action], x, y, 0, None)
        key = self.events.pop(0) if self.events else ""
        self._waits = self._waits + 1 if not key else 0
        assert self._waits < 200, "it waits for a key that never comes"
        if key == "close":
            self.open = False
            return -1
        assert isinstance(key, str)
        return _CODES[key] if key in _CODES else ord(key)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    screen = Screen(monkeypatch)
    yield screen
    assert not screen.open, "a window was left open"


def drag(*corners: tuple[int, int]) -> list[Event]:
    """Press at the first corner, release at the last."""
    first, *others = corners
    return [("press", *first), *(("move", *corner) for corner in others), ("release", *corners[-1])]


@pytest.mark.parametrize(
    "sizes", [[(320, 240), (320, 240)], [(1920, 1080), (640, 512)], [(80, 60), (80, 60)]]
)
def test_panels_fit_the_screen_and_map_back(sizes: list[tuple[int, int]]) -> None:
    named = dict(zip(("rgb", "tir"), sizes, strict=True))
    frames = {name: np.zeros((h, w, 3), np.uint8) for name, (w, h) in named.items()}
    panels = Panels(frames)
    assert panels.size[0] <= MAX_SIZE[0] + 1 and panels.size[1] <= MAX_SIZE[1] + 1
    assert panels.size[0] > MAX_SIZE[0] / 3
    assert panels.image("text").shape == (panels.size[1], panels.size[0], 3)
    for name, (w, h) in named.items():
        for x, y in ((0, 0), (w / 2, h / 3), (w - 1, h - 1)):
            place = panels.place(*panels.pixel(Place(name, x, y)))
            assert place.panel == name
            assert np.hypot(place.x - x, place.y - y) <= 0.8 * h / panels.height + 0.01


def test_a_target_is_drawn_in_either_picture_and_shown_in_both(screen: Screen) -> None:
    rgb, tir = disc_frame(100, 120, 20), disc_frame(100, 120, 20)[..., 0]
    panels = Panels({"rgb": rgb, "tir": rgb})
    for name in ("rgb", "tir"):
        first, last = (panels.pixel(Place(name, *corner)) for corner in ((80, 100), (120, 140)))
        screen.events = [*drag(first, last), "", "enter"]
        np.testing.assert_allclose(draw_target(rgb, tir), [80, 100, 40, 40], atol=1)
        marked = (screen.shown[-1] == (64, 255, 96)).all(2)
        half = marked.shape[1] // 2
        assert marked[:, :half].sum() > 100 and marked[:, half:].sum() > 100


def test_a_drag_out_of_its_picture_ends_at_the_edge_and_c_clears(screen: Screen) -> None:
    rgb = disc_frame(100, 120, 20)
    panels = Panels({"rgb": rgb, "tir": rgb})
    start = panels.pixel(Place("rgb", 200, 50))
    screen.events = [*drag(start, panels.pixel(Place("tir", 30, 150))), "enter"]
    np.testing.assert_allclose(draw_target(rgb, rgb), [200, 50, 119, 100], atol=1)
    again = drag(*(panels.pixel(Place("rgb", *corner)) for corner in ((10, 20), (40, 60))))
    screen.events = [*drag(start, (5, 5)), "c", "enter", *again, "enter"]
    np.testing.assert_allclose(draw_target(rgb, rgb), [10, 20, 30, 40], atol=1)


@pytest.mark.parametrize("key", ["escape", "close"])
def test_without_a_target_the_user_is_told(screen: Screen, key: str) -> None:
    screen.events = [key]
    with pytest.raises(ValueError, match="no target was drawn: draw one, or give it as --box"):
        draw_target(disc_frame(100, 120, 20), None)


def test_an_opencv_without_windows_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(cv2, "namedWindow", fails)
    with pytest.raises(ValueError, match="this OpenCV cannot open windows: leave it out"):
        Window("title", (100, 100), "leave it out")


def test_pairs_are_clicked_by_turns_and_undone(screen: Screen) -> None:
    rgb, tir = np.zeros((240, 320, 3), np.uint8), np.zeros((128, 160, 3), np.uint8)
    panels = Panels({"rgb": rgb, "tir": tir})
    visible = [(20, 20), (300, 30), (290, 220), (30, 200)]
    thermal = [(10, 10), (150, 15), (140, 110), (15, 100)]
    clicks: list[Event] = []
    for own, other in zip(visible, thermal, strict=True):
        for name, point in (("rgb", (1, 1)), ("rgb", own), ("tir", other)):  # corrects itself
            clicks.append(("press", *panels.pixel(Place(name, *point))))
    extra: list[Event] = [("press", *panels.pixel(Place("rgb", 5, 5)))]
    screen.events = [*clicks[:9], "enter", *clicks[9:], *extra, "backspace", "", "enter"]
    residuals = []
    found = click_pairs(rgb, tir, 4, lambda *points: residuals.append(points) or 0.25)
    np.testing.assert_allclose(found[0], visible, atol=0.5)
    np.testing.assert_allclose(found[1], thermal, atol=0.5)
    assert residuals, "the fit is shown while clicking"
    screen.events = [*clicks[:6], "", "escape"]
    with pytest.raises(ValueError, match="2 point pairs were clicked; click at least 4"):
        click_pairs(rgb, tir, 4, lambda *points: None)


def test_keys_steer_a_run(screen: Screen) -> None:
    pair = np.zeros((240, 640, 3), np.uint8)
    with LiveWindow() as window:
        screen.events = ["", "space", "", "", "p", "r", "q"]
        assert window.show(pair, [0.5]) == ""
        assert window.show(pair, [0.5], dropped=3) == "", "paused until p"
        assert not screen.events[2:], screen.events
        assert window.show(pair, [0.5]) == "redraw"
        assert window.show(pair, [0.5]) == "quit"
        assert window.rate > 0
        screen.events = ["close"]
        assert window.show(pair, [0.5]) == "quit", "closing the window quits"
    assert screen.shown[0].shape[1] <= MAX_SIZE[0]


def folders(root: Path, frames: int = 8) -> list[object]:
    for name in ("color", "ir"):
        (root / name).mkdir()
        for index in range(frames):
            write_image(root / name / f"{index}.png", disc_frame(100 + 3 * index, 120, 20))
    return ["--rgb", root / "color", "--tir", root / "ir"]


def test_track_is_drawn_shown_redrawn_and_quit(run: Run, tmp_path: Path, screen: Screen) -> None:
    sources = folders(tmp_path)
    panels = Panels(dict.fromkeys(("rgb", "tir"), disc_frame(100, 120, 20)))
    first = drag(*(panels.pixel(Place("rgb", *c)) for c in ((80, 100), (120, 140))))
    second = drag(*(panels.pixel(Place("rgb", *c)) for c in ((200, 20), (230, 50))))
    closed = ""  # a window waits once more as it closes
    screen.events = [*first, "enter", closed, "", "r", *second, "enter", closed, "q"]
    out = tmp_path / "boxes.txt"
    code, text, err = run("track", *sources, "--tracker", "matching", "--show", "--out", out)
    assert code == 0, err
    boxes = read_box_rows(out)
    assert len(boxes) == 3 and "3 boxes" in text
    np.testing.assert_allclose(boxes[0], [80, 100, 40, 40], atol=1)
    assert abs(boxes[2][0] - 200) < 20, "it goes on from what was drawn anew"


def test_register_by_clicks(run: Run, tmp_path: Path, screen: Screen) -> None:
    sources = folders(tmp_path, 1)
    panels = Panels(dict.fromkeys(("rgb", "tir"), disc_frame(100, 120, 20)))
    for x, y in ((20, 20), (300, 30), (290, 220), (30, 200), (150, 110)):
        screen.events += [("press", *panels.pixel(Place("rgb", x, y))),
                          ("press", *panels.pixel(Place("tir", x - 8, y + 4)))]  # fmt: skip
    screen.events += ["", "enter"]
    code, text, err = run("register", *sources, tmp_path / "cameras.yaml")
    assert code == 0, err
    assert "5 points, residual" in text
    found = load_registration(tmp_path / "cameras.yaml")
    np.testing.assert_allclose(apply_matrix(found.matrix, [[92, 124]]), [[100, 120]], atol=1)
