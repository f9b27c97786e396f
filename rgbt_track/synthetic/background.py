"""The static background of a synthetic scene in both bands: sky, ground, road, buildings, trees.

Everything is painted into a visible and a thermal image at once, each material with its own color
and temperature (0..255 gray levels): a cold, even sky, buildings with warm windows, smooth and
cool trees. What stands out in one band need not stand out in the other.

The order of random draws is part of the format: a seed must give the same scene in every version.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.image_pair import ImagePair
from rgbt_track.synthetic.noise import fractal_noise, smoothstep

_GROUND_COLORS = {"grass": (92, 112, 62), "asphalt": (104, 104, 108), "sand": (178, 158, 122)}
_GROUND_COLORS |= {"snow": (205, 210, 218), "soil": (112, 88, 66), "paving": (150, 142, 134)}


@dataclass(frozen=True, eq=False)
class Background:
    """The painted surroundings.

    Args:
        rgb: (h, w, 3) uint8.
        tir: (h, w) uint8.
        glow: (h, w) uint8, the light that lamps add at night.
        horizon: the row where the ground begins.
        ground_heat: the ground's mean temperature in gray levels.
    """

    rgb: NDArray[np.uint8]
    tir: NDArray[np.uint8]
    glow: NDArray[np.uint8]
    horizon: int
    ground_heat: float


def draw_background(rng: np.random.Generator, width: int, height: int) -> Background:
    """Paint a new background of ``width x height`` pixels, from back to front."""
    pair = ImagePair(rng, height, width)
    horizon = int(height * rng.uniform(0.26, 0.4))
    ground_heat = float(rng.uniform(80, 135))
    paint_sky(pair, horizon)
    paint_ground(pair, horizon, ground_heat)
    if rng.random() < 0.65:
        paint_road(pair, horizon, ground_heat)
    for _ in range(int(rng.integers(1, 6))):
        paint_building(pair, horizon)
    for _ in range(int(rng.integers(3, 10))):
        depth = rng.uniform(0, 0.5) ** 2
        foot = rng.uniform(0, width), horizon + depth * (height - horizon)
        paint_tree(pair, *foot, 0.5 + depth)
    for _ in range(int(rng.integers(2, 8))):
        paint_clutter(pair, horizon, ground_heat)
    glow = paint_lamps(pair, horizon)
    rgb = np.clip(pair.rgb, 0, 255).astype(np.uint8)
    tir = cv2.GaussianBlur(np.clip(pair.tir, 0, 255).astype(np.uint8), (0, 0), 1.1)
    return Background(rgb, tir, glow, horizon, ground_heat)


def draw_occluder(
    rng: np.random.Generator, height: int, width: int, ground_heat: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A trunk, bush or wall that hides what is behind it.

    Returns premultiplied RGBA (h, w, 4) and heat (h, w), both uint8.

    Args:
        rng: where it is drawn from.
        height: h, in pixels.
        width: w, in pixels.
        ground_heat: temperature that its own is drawn around, in gray levels.
    """
    pair = ImagePair(rng, height, width)
    kind = rng.choice(["bush", "trunk", "wall"])
    heat = ground_heat + rng.uniform(-25, 15)
    mask = np.zeros((height, width), np.uint8)
    if kind == "bush":
        for _ in range(60):
            x, y = rng.normal(0.5, 0.14), rng.uniform(0.2, 0.95)
            center = int(width * x), int(height * y)
            cv2.circle(mask, center, int(width * rng.uniform(0.1, 0.24)), 255, -1, cv2.LINE_AA)
        color = np.array(_GROUND_COLORS["grass"]) * rng.uniform(0.5, 1.0)
    else:
        margin = 0.12 if kind == "trunk" else 0.02
        left, right = int(width * margin), int(width * (1 - margin))
        cv2.rectangle(mask, (left, 0), (right, height), 255, -1)
        color = np.array([105.0, 88, 72]) * rng.uniform(0.5, 1.4)
    full_window = (slice(None), slice(None))
    pair.blend(full_window, np.ones((height, width), np.float32), color, heat, 0.7, 10)
    alpha = mask.astype(np.float32) / 255
    rgba = np.dstack([np.clip(pair.rgb, 0, 255) * alpha[..., None], mask])
    return rgba.astype(np.uint8), (np.clip(pair.tir, 0, 255) * alpha).astype(np.uint8)


def paint_sky(pair: ImagePair, horizon: int) -> None:
    """Blue to gray sky with clouds, cold at the top and warmer towards the ``horizon`` row."""
    rng, rows = pair.rng, np.linspace(0, 1, pair.height, dtype=np.float32)[:, None]
    top, bottom = np.array([90, 135, 200.0]), np.array([195, 210, 222.0])
    overcast = rng.uniform(0, 1)
    top = top + overcast * (np.array([175, 178, 184.0]) - top)
    fade = np.clip(rows * pair.height / max(horizon, 1), 0, 1)[..., None]
    clouds = smoothstep(pair.coarse_noise + 0.5, 0.45, 0.8)[..., None]
    pair.rgb[:] = top + fade * (bottom - top) + clouds * 40
    pair.tir[:] = rng.uniform(8, 45) + 35 * fade[..., 0] + 18 * clouds[..., 0]


def paint_ground(pair: ImagePair, horizon: int, heat: float) -> None:
    """Ground of one material with patches of a second one, of mean temperature ``heat``."""
    rng = pair.rng
    material, patch_material = rng.choice(list(_GROUND_COLORS), 2, replace=False)
    light = rng.uniform(0.7, 1.1)
    window = (slice(horizon, None), slice(None))
    opaque = np.ones((pair.height - horizon, pair.width), np.float32)
    pair.blend(window, opaque, np.array(_GROUND_COLORS[material]) * light, heat, 0.45, 16)
    noise = fractal_noise(rng, *opaque.shape, coarsest=2, finest=6)
    alpha = smoothstep(noise, 0.55, 0.65).astype(np.float32)
    patch_heat = heat + rng.uniform(-22, 22)
    patch_color = np.array(_GROUND_COLORS[patch_material]) * light
    pair.blend(window, alpha, patch_color, patch_heat, 0.45, 14)


def paint_road(pair: ImagePair, horizon: int, heat: float) -> None:
    """A road across the image or towards the horizon, warmer than the ground (``heat``)."""
    rng, w, h = pair.rng, pair.width, pair.height
    if rng.random() < 0.5:
        # Across the image.
        top = horizon + rng.uniform(0.1, 0.5) * (h - horizon)
        bottom = top + rng.uniform(0.2, 0.5) * (h - horizon)
        road = np.array([(0, top), (w, top), (w, bottom), (0, bottom)])
        middle = (top + bottom) / 2
        dash = np.array([(0, middle), (26, middle), (26, middle + 4), (0, middle + 4)])
        dashes = [dash + np.array([x, 0]) for x in range(0, w, 60)]
    else:
        # Towards a vanishing point on the horizon.
        vanish_x, near_x = rng.uniform(0.2, 0.8) * w, rng.uniform(0, 1) * w
        half_width = rng.uniform(60, 200)
        far_end = (vanish_x - 6, horizon), (vanish_x + 6, horizon)
        road = np.array([*far_end, (near_x + half_width, h), (near_x - half_width, h)])
        dashes = []
        for start in np.linspace(0.1, 0.9, 6) ** 1.5:
            x0, x1 = (vanish_x + (near_x - vanish_x) * t for t in (start, start + 0.07))
            y0, y1 = (horizon + (h - horizon) * t for t in (start, start + 0.07))
            dashes.append(np.array([(x0, y0), (x0 + 5, y0), (x1 + 5, y1), (x1, y1)]))
    road_heat = heat + rng.uniform(5, 35)
    asphalt = np.array(_GROUND_COLORS["asphalt"]) * rng.uniform(0.6, 1)
    pair.paint(road, asphalt, road_heat, 0.2, 8)
    for dash in dashes:
        pair.paint(dash, np.full(3, 205.0), road_heat - 4, 0.1, 4)


def paint_building(pair: ImagePair, horizon: int) -> None:
    """A building at the horizon with a grid of windows, some of them warm."""
    rng, w = pair.rng, pair.width
    left, width = rng.uniform(-0.1, 0.95) * w, rng.uniform(0.12, 0.4) * w
    top, foot = horizon * rng.uniform(-0.1, 0.6), horizon + rng.uniform(0, 0.12) * pair.height
    wall = np.array([150, 132, 118.0]) * rng.uniform(0.5, 1.3) + rng.normal(0, 12, 3)
    heat = rng.uniform(65, 150)
    pair.paint(_rectangle(left, top, left + width, foot), wall, heat, 0.3, 8)
    columns, rows = int(rng.integers(3, 8)), int(rng.integers(2, 6))
    cell, storey = width / columns, (foot - top) / (rows + 0.5)
    pane, glass = rng.uniform(0.35, 0.6), np.array([70, 82, 96.0]) * rng.uniform(0.5, 1.6)
    for column in range(columns):
        for row in range(rows):
            x, y = left + (column + (1 - pane) / 2) * cell, top + (row + 0.3) * storey
            window = _rectangle(x, y, x + pane * cell, y + pane * storey)
            is_warm = rng.random() < 0.4
            window_heat = heat + (rng.uniform(10, 55) if is_warm else rng.uniform(-20, 8))
            pair.paint(window, glass * rng.uniform(0.7, 1.2), window_heat, 0.1, 3)


def paint_tree(pair: ImagePair, x: float, foot: float, scale: float) -> None:
    """A tree.

    Args:
        pair: the images to paint it on.
        x: column of its foot.
        foot: row of its foot.
        scale: 1 is about a third of the image's height.
    """
    rng = pair.rng
    height = pair.height * rng.uniform(0.25, 0.4) * scale
    half_width = height * 0.06
    bark = np.array([92, 74, 58.0]) * rng.uniform(0.5, 1.2)
    trunk = np.array(
        [
            (x - half_width, foot),
            (x - half_width, foot - height),
            (x + half_width, foot - height),
            (x + half_width, foot),
        ]
    )
    heat = rng.uniform(60, 115)
    pair.paint(trunk, bark, heat + 10, 0.5, 5)
    leaf_color = np.array([62, 92, 44.0]) * rng.uniform(0.5, 1.3) + rng.normal(0, 8, 3)
    for _ in range(int(rng.integers(10, 22))):
        center = rng.normal((x, foot - height * 0.8), (height * 0.16, height * 0.15))
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = height * rng.uniform(0.07, 0.15) * rng.uniform(0.75, 1.25, 14)
        outline = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        color = leaf_color * rng.uniform(0.65, 1.25)
        pair.paint(outline, color, heat + rng.normal(0, 5), 0.7, 8)


def paint_clutter(pair: ImagePair, horizon: int, ground_heat: float) -> None:
    """A bin, box or sign: a small object of any color, warm in three of ten cases."""
    rng = pair.rng
    depth = rng.uniform(0.05, 0.9)
    x, foot = rng.uniform(0, pair.width), horizon + depth * (pair.height - horizon)
    height, width = rng.uniform(10, 36, 2) * (0.5 + depth)
    color = np.clip(rng.uniform(40, 210) + rng.normal(0, 40, 3), 10, 245)
    heat = ground_heat + (rng.uniform(30, 90) if rng.random() < 0.3 else rng.uniform(-25, 20))
    pair.paint(_rectangle(x, foot - height, x + width, foot), color, heat, 0.3, 4)
    lid = _rectangle(x - 1, foot - height, x + width + 1, foot - height * 0.8)
    pair.paint(lid, color * 0.7, heat - 6, 0.2, 4)


def paint_lamps(pair: ImagePair, horizon: int) -> NDArray[np.uint8]:
    """Street lamps; returns the light (h, w) uint8 that they add at night."""
    rng = pair.rng
    light = np.zeros((pair.height, pair.width), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(0, pair.width)
        foot = horizon + rng.uniform(0.05, 0.3) * pair.height
        top = foot - rng.uniform(0.25, 0.4) * pair.height
        pair.paint(_rectangle(x - 1.5, top, x + 1.5, foot), np.full(3, 70.0), 85, 0.1, 2)
        cv2.circle(light, (int(x), int(top)), 5, 900.0, -1)
        pair.paint(_rectangle(x - 4, top, x + 4, top + 5), np.full(3, 230.0), 150, 0.0, 0)
    # A wide halo around a narrow one, blurred at a quarter of the size.
    small = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    halo = cv2.GaussianBlur(small, (0, 0), 9) * 6 + cv2.GaussianBlur(small, (0, 0), 2.5)
    return np.clip(cv2.resize(halo, light.shape[::-1]), 0, 255).astype(np.uint8)


def _rectangle(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    """(4, 2) the corners, clockwise from the top left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
