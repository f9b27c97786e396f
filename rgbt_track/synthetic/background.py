"""The still part of a synthetic scene: sky, ground, road, buildings, trees, lamps, in both bands.

Everything is painted into a visible and a thermal canvas at once, each material with its own
colour and temperature (0..255 grey levels): sky cold and even, buildings with warm windows, trees
smooth and cool. What stands out in one band need not stand out in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.image_pair import Canvas
from rgbt_track.synthetic.noise import fractal_noise, smoothstep

_GROUNDS = {"grass": (92, 112, 62), "asphalt": (104, 104, 108), "sand": (178, 158, 122)}
_GROUNDS |= {"snow": (205, 210, 218), "soil": (112, 88, 66), "paving": (150, 142, 134)}


@dataclass(frozen=True, eq=False)
class Scenery:
    """A painted world: ``rgb`` (h, w, 3) and ``tir`` (h, w) uint8, and its lights at night.

    ``glow`` (h, w) uint8 is the light that lamps add in the dark; ``horizon`` is the row where the
    ground begins; ``ground_heat`` its mean temperature in grey levels.
    """

    rgb: NDArray[np.uint8]
    tir: NDArray[np.uint8]
    glow: NDArray[np.uint8]
    horizon: int
    ground_heat: float


def draw_scenery(rng: np.random.Generator, width: int, height: int) -> Scenery:
    """Paint a new world of ``width x height`` pixels."""
    canvas = Canvas(rng, height, width)
    horizon = int(height * rng.uniform(0.26, 0.4))
    ground_heat = float(rng.uniform(80, 135))
    _sky(canvas, horizon)
    _ground(canvas, horizon, ground_heat)
    if rng.random() < 0.65:
        _road(canvas, horizon, ground_heat)
    for _ in range(int(rng.integers(1, 6))):
        _building(canvas, horizon)
    for _ in range(int(rng.integers(3, 10))):
        depth = rng.uniform(0, 0.5) ** 2
        _tree(canvas, rng.uniform(0, width), horizon + depth * (height - horizon), 0.5 + depth)
    for _ in range(int(rng.integers(2, 8))):
        _clutter(canvas, horizon, ground_heat)
    glow = _lamps(canvas, horizon)
    rgb = np.clip(canvas.rgb, 0, 255).astype(np.uint8)
    tir = cv2.GaussianBlur(np.clip(canvas.tir, 0, 255).astype(np.uint8), (0, 0), 1.1)
    return Scenery(rgb, tir, glow, horizon, ground_heat)


def draw_occluder(
    rng: np.random.Generator, height: int, width: int, ground_heat: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A trunk, a bush or a post to pass behind: premultiplied RGBA (h, w, 4) and heat (h, w)."""
    canvas = Canvas(rng, height, width)
    kind = rng.choice(["bush", "trunk", "wall"])
    heat = ground_heat + rng.uniform(-25, 15)
    mask = np.zeros((height, width), np.uint8)
    if kind == "bush":
        for _ in range(60):
            x, y = rng.normal(0.5, 0.14), rng.uniform(0.2, 0.95)
            centre = int(width * x), int(height * y)
            cv2.circle(mask, centre, int(width * rng.uniform(0.1, 0.24)), 255, -1, cv2.LINE_AA)
        colour = np.array(_GROUNDS["grass"]) * rng.uniform(0.5, 1.0)
    else:
        edge = 0.12 if kind == "trunk" else 0.02
        low, high = int(width * edge), int(width * (1 - edge))
        cv2.rectangle(mask, (low, 0), (high, height), 255, -1)
        colour = np.array([105.0, 88, 72]) * rng.uniform(0.5, 1.4)
    everywhere = (slice(None), slice(None))
    canvas.blend(everywhere, np.ones((height, width), np.float32), colour, heat, 0.7, 10)
    cover = mask.astype(np.float32) / 255
    rgba = np.dstack([np.clip(canvas.rgb, 0, 255) * cover[..., None], mask])
    return rgba.astype(np.uint8), (np.clip(canvas.tir, 0, 255) * cover).astype(np.uint8)


def _sky(canvas: Canvas, horizon: int) -> None:
    rng, rows = canvas.rng, np.linspace(0, 1, canvas.height, dtype=np.float32)[:, None]
    top, bottom = np.array([90, 135, 200.0]), np.array([195, 210, 222.0])
    grey = rng.uniform(0, 1)
    top = top + grey * (np.array([175, 178, 184.0]) - top)
    fade = np.clip(rows * canvas.height / max(horizon, 1), 0, 1)[..., None]
    cloud = smoothstep(canvas.soft + 0.5, 0.45, 0.8)[..., None]
    canvas.rgb[:] = top + fade * (bottom - top) + cloud * 40
    canvas.tir[:] = rng.uniform(8, 45) + 35 * fade[..., 0] + 18 * cloud[..., 0]


def _ground(canvas: Canvas, horizon: int, heat: float) -> None:
    rng = canvas.rng
    first, second = rng.choice(list(_GROUNDS), 2, replace=False)
    light = rng.uniform(0.7, 1.1)
    below = (slice(horizon, None), slice(None))
    whole = np.ones((canvas.height - horizon, canvas.width), np.float32)
    canvas.blend(below, whole, np.array(_GROUNDS[first]) * light, heat, 0.45, 16)
    patches = fractal_noise(rng, *whole.shape, coarsest=2, finest=6)
    cover = smoothstep(patches, 0.55, 0.65).astype(np.float32)
    patch_heat = heat + rng.uniform(-22, 22)
    canvas.blend(below, cover, np.array(_GROUNDS[second]) * light, patch_heat, 0.45, 14)


def _road(canvas: Canvas, horizon: int, heat: float) -> None:
    rng, w, h = canvas.rng, canvas.width, canvas.height
    if rng.random() < 0.5:
        top = horizon + rng.uniform(0.1, 0.5) * (h - horizon)
        bottom = top + rng.uniform(0.2, 0.5) * (h - horizon)
        road = np.array([(0, top), (w, top), (w, bottom), (0, bottom)])
        middle = (top + bottom) / 2
        dash = np.array([(0, middle), (26, middle), (26, middle + 4), (0, middle + 4)])
        dashes = [dash + np.array([x, 0]) for x in range(0, w, 60)]
    else:
        vanish, near, wide = rng.uniform(0.2, 0.8) * w, rng.uniform(0, 1) * w, rng.uniform(60, 200)
        far = (vanish - 6, horizon), (vanish + 6, horizon)
        road = np.array([*far, (near + wide, h), (near - wide, h)])
        dashes = []
        for start in np.linspace(0.1, 0.9, 6) ** 1.5:
            x0, x1 = (vanish + (near - vanish) * t for t in (start, start + 0.07))
            y0, y1 = (horizon + (h - horizon) * t for t in (start, start + 0.07))
            dashes.append(np.array([(x0, y0), (x0 + 5, y0), (x1 + 5, y1), (x1, y1)]))
    warm = heat + rng.uniform(5, 35)
    canvas.paint(road, np.array(_GROUNDS["asphalt"]) * rng.uniform(0.6, 1), warm, 0.2, 8)
    for dash in dashes:
        canvas.paint(dash, np.full(3, 205.0), warm - 4, 0.1, 4)


def _building(canvas: Canvas, horizon: int) -> None:
    rng, w = canvas.rng, canvas.width
    left, wide = rng.uniform(-0.1, 0.95) * w, rng.uniform(0.12, 0.4) * w
    top, foot = horizon * rng.uniform(-0.1, 0.6), horizon + rng.uniform(0, 0.12) * canvas.height
    wall = np.array([150, 132, 118.0]) * rng.uniform(0.5, 1.3) + rng.normal(0, 12, 3)
    heat = rng.uniform(65, 150)
    box = [(left, top), (left + wide, top), (left + wide, foot), (left, foot)]
    canvas.paint(np.array(box), wall, heat, 0.3, 8)
    across, down = int(rng.integers(3, 8)), int(rng.integers(2, 6))
    cell, storey = wide / across, (foot - top) / (down + 0.5)
    pane, glass = rng.uniform(0.35, 0.6), np.array([70, 82, 96.0]) * rng.uniform(0.5, 1.6)
    for column in range(across):
        for row in range(down):
            x, y = left + (column + (1 - pane) / 2) * cell, top + (row + 0.3) * storey
            corners = [(x, y), (x + pane * cell, y), (x + pane * cell, y + pane * storey)]
            corners.append((x, y + pane * storey))
            warm = heat + (rng.uniform(10, 55) if rng.random() < 0.4 else rng.uniform(-20, 8))
            canvas.paint(np.array(corners), glass * rng.uniform(0.7, 1.2), warm, 0.1, 3)


def _tree(canvas: Canvas, x: float, foot: float, scale: float) -> None:
    rng = canvas.rng
    tall = canvas.height * rng.uniform(0.25, 0.4) * scale
    trunk = tall * 0.06
    bark = np.array([92, 74, 58.0]) * rng.uniform(0.5, 1.2)
    stem = [
        (x - trunk, foot),
        (x - trunk, foot - tall),
        (x + trunk, foot - tall),
        (x + trunk, foot),
    ]
    heat = rng.uniform(60, 115)
    canvas.paint(np.array(stem), bark, heat + 10, 0.5, 5)
    leaf = np.array([62, 92, 44.0]) * rng.uniform(0.5, 1.3) + rng.normal(0, 8, 3)
    for _ in range(int(rng.integers(10, 22))):
        centre = rng.normal((x, foot - tall * 0.8), (tall * 0.16, tall * 0.15))
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = tall * rng.uniform(0.07, 0.15) * rng.uniform(0.75, 1.25, 14)
        ring = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        canvas.paint(ring, leaf * rng.uniform(0.65, 1.25), heat + rng.normal(0, 5), 0.7, 8)


def _clutter(canvas: Canvas, horizon: int, ground_heat: float) -> None:
    """Bins, boxes, signs: small things of any colour, some of them warm."""
    rng = canvas.rng
    depth = rng.uniform(0.05, 0.9)
    x, foot = rng.uniform(0, canvas.width), horizon + depth * (canvas.height - horizon)
    tall, wide = rng.uniform(10, 36, 2) * (0.5 + depth)
    colour = np.clip(rng.uniform(40, 210) + rng.normal(0, 40, 3), 10, 245)
    heat = ground_heat + (rng.uniform(30, 90) if rng.random() < 0.3 else rng.uniform(-25, 20))
    box = [(x, foot - tall), (x + wide, foot - tall), (x + wide, foot), (x, foot)]
    canvas.paint(np.array(box), colour, heat, 0.3, 4)
    lid = [(x - 1, foot - tall), (x + wide + 1, foot - tall)]
    lid += [(x + wide + 1, foot - tall * 0.8), (x - 1, foot - tall * 0.8)]
    canvas.paint(np.array(lid), colour * 0.7, heat - 6, 0.2, 4)


def _lamps(canvas: Canvas, horizon: int) -> NDArray[np.uint8]:
    rng = canvas.rng
    light = np.zeros((canvas.height, canvas.width), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(0, canvas.width)
        foot = horizon + rng.uniform(0.05, 0.3) * canvas.height
        top = foot - rng.uniform(0.25, 0.4) * canvas.height
        post = [(x - 1.5, top), (x + 1.5, top), (x + 1.5, foot), (x - 1.5, foot)]
        canvas.paint(np.array(post), np.full(3, 70.0), 85, 0.1, 2)
        cv2.circle(light, (int(x), int(top)), 5, 900.0, -1)
        canvas.paint(
            x + np.array([[-4, 0], [4, 0], [4, 5], [-4, 5]]) * 1.0 + [0, top - x],
            np.full(3, 230.0),
            150,
            0.0,
            0,
        )
    small = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    halo = cv2.GaussianBlur(small, (0, 0), 9) * 6 + cv2.GaussianBlur(small, (0, 0), 2.5)
    return np.clip(cv2.resize(halo, light.shape[::-1]), 0, 255).astype(np.uint8)
