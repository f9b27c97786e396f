"""Drawn targets for synthetic scenes: jointed figures with a colour and a heat for every part.

A sprite is drawn once per pose (a walking cycle, or the wobble of a soft body) and then only
warped into frames. Parts are polygons in units of the figure's height, x to the right from its
middle and y downwards from 0 to 1; heat is 0 (as the surroundings) to 1 (hottest part).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import fractal_noise

POSES = 12
_SHIFT = 4


class Part(NamedTuple):
    """One polygon ``(n, 2)`` with its colour (R, G, B in 0..255) and heat."""

    points: NDArray[np.float64]
    colour: NDArray[np.float64]
    heat: float


@dataclass(frozen=True, eq=False)
class Pose:
    """One drawn pose: ``rgba`` (h, w, 4) and ``heat`` (h, w), uint8, premultiplied by alpha.

    ``hull`` (n, 2) are the corners of its outline in the picture's pixels, ``foot`` (2,) the point
    that stands on the ground, ``height`` the figure's height in pixels.
    """

    rgba: NDArray[np.uint8]
    heat: NDArray[np.uint8]
    hull: NDArray[np.float64]
    foot: NDArray[np.float64]
    height: float


def draw_sprite(kind: str, rng: np.random.Generator, height: int) -> list[Pose]:
    """Draw all poses of a new figure of one of ``SPRITES``, ``height`` pixels high."""
    shape = SPRITES[kind]
    seed = int(rng.integers(2**31))
    width = int(height * 1.5)
    grain = 1 + 0.35 * (fractal_noise(rng, height + 8, width + 8, finest=3) - 0.5)
    poses = []
    for index in range(POSES):
        same_figure = np.random.default_rng(seed)
        poses.append(_draw(shape(same_figure, 2 * np.pi * index / POSES), height, width, grain))
    return poses


def recoloured(pose: Pose, gain: NDArray[np.float64]) -> Pose:
    """The same pose in other colours: each colour channel times ``gain`` (3,), heat unchanged."""
    rgba = pose.rgba.astype(np.float32)
    rgba[..., :3] = np.minimum(rgba[..., :3] * gain, rgba[..., 3:])
    return Pose(rgba.astype(np.uint8), pose.heat, pose.hull, pose.foot, pose.height)


def _draw(parts: list[Part], height: int, width: int, grain: NDArray[np.float32]) -> Pose:
    size = (height + 8, width + 8)
    colour, heat = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    alpha = np.zeros(size, np.float32)
    for part in parts:
        points = part.points * height + (size[1] / 2, 4)
        mask = np.zeros(size, np.uint8)
        corners = np.round(points * (1 << _SHIFT) - (1 << _SHIFT) / 2).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _SHIFT)
        cover = mask.astype(np.float32) / 255
        keep = 1 - cover
        colour *= keep[..., None]
        colour += cover[..., None] * part.colour * grain[..., None]
        heat *= keep
        heat += cover * part.heat * (55 + 200 * grain)
        alpha *= keep
        alpha += cover * 255
    rgba = np.dstack([np.minimum(colour, alpha[..., None]), alpha]).astype(np.uint8)
    outline = cv2.findNonZero((rgba[..., 3] >= 128).astype(np.uint8)).reshape(-1, 2)
    corners = np.concatenate([outline + delta for delta in ((0, 0), (0, 1), (1, 0), (1, 1))])
    hull = cv2.convexHull(corners.astype(np.int32)).reshape(-1, 2).astype(float)
    foot = np.array([size[1] / 2, hull[:, 1].max()])
    return Pose(rgba, np.minimum(heat, alpha).astype(np.uint8), hull, foot, float(height))


def _ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    points = np.stack([rx * np.cos(angles), ry * np.sin(angles)], axis=1)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return points @ rotation + (x, y)


def _limb(
    start: tuple[float, float], end: tuple[float, float], thick: float, thin: float
) -> NDArray[np.float64]:
    circles = np.concatenate([_ellipse(*start, thick, thick), _ellipse(*end, thin, thin)])
    return cv2.convexHull(circles.astype(np.float32)).reshape(-1, 2).astype(float)


def _colour(rng: np.random.Generator, low: float = 25, high: float = 235) -> NDArray[np.float64]:
    """A cloth or paint colour: mostly muted, sometimes vivid."""
    grey = rng.uniform(low, high)
    return np.clip(grey + rng.normal(0, rng.choice([12, 55]), 3), 8, 247)


def _person(rng: np.random.Generator, phase: float) -> list[Part]:
    shirt, trousers, hair = _colour(rng), _colour(rng, 20, 130), _colour(rng, 15, 90)
    skin = np.array([205.0, 160, 135]) * rng.uniform(0.45, 1.1)
    build, coat = rng.uniform(0.85, 1.2), rng.uniform(0.3, 0.75)
    swing, lift = 0.5 * np.sin(phase), 0.03 * np.cos(2 * phase)
    parts = []
    for side in (1, -1):
        knee = (0.17 * side * swing, 0.74 - lift)
        foot = (0.32 * side * swing, 0.955 - 0.03 * max(side * np.cos(phase), 0))
        parts.append(Part(_limb((0.03 * side, 0.5), knee, 0.065 * build, 0.05), trousers, 0.55))
        parts.append(Part(_limb(knee, foot, 0.05, 0.032), trousers * 0.92, 0.5))
        parts.append(Part(_ellipse(foot[0] + 0.02, 0.97, 0.05, 0.025), trousers * 0.5, 0.3))
    back = (-0.16 * swing, 0.5)
    parts.append(Part(_limb((-0.1 * build, 0.23), back, 0.042, 0.03), shirt * 0.8, coat))
    body = [(-0.13, 0.19), (0.13, 0.19), (0.14, 0.3), (0.1, 0.54), (-0.1, 0.54), (-0.14, 0.3)]
    parts.append(Part(np.array(body) * (build, 1), shirt, coat))
    if rng.random() < 0.5:
        stripe = [(-0.13, 0.32), (0.13, 0.32), (0.12, 0.39), (-0.12, 0.39)]
        parts.append(Part(np.array(stripe) * (build, 1), _colour(rng), coat))
    front = (0.18 * swing, 0.49)
    parts.append(Part(_limb((0.1 * build, 0.23), front, 0.042, 0.03), shirt * 1.05, coat))
    parts.append(Part(_ellipse(*front, 0.03, 0.035), skin, 0.9))
    parts.append(Part(_ellipse(0.005, 0.1, 0.062, 0.085), skin, 1.0))
    parts.append(Part(_ellipse(-0.005, 0.055, 0.066, 0.055), hair, 0.75))
    return parts


def _car(rng: np.random.Generator, phase: float) -> list[Part]:
    paint, glass = _colour(rng), np.array([60.0, 75, 90])
    long, roof = rng.uniform(1.0, 1.3), rng.uniform(0.28, 0.42)
    shell = [(-0.5, 0.5), (0.42, 0.46), (0.53, 0.6), (0.53, 0.88), (-0.53, 0.88), (-0.53, 0.55)]
    cabin = [(-0.4, 0.52), (-roof, 0.05), (0.12, 0.05), (0.3, 0.5)]
    pane = [(-0.33, 0.46), (-roof + 0.05, 0.13), (0.08, 0.13), (0.21, 0.46)]
    bonnet = [(0.22, 0.5), (0.44, 0.48), (0.5, 0.6), (0.5, 0.72), (0.22, 0.72)]
    stretch = np.array([long, 1])
    parts = [
        Part(np.array(cabin) * stretch, paint * 0.85, 0.35),
        Part(np.array(pane) * stretch, glass, 0.15),
        Part(np.array(shell) * stretch, paint, 0.45),
        Part(np.array(bonnet) * stretch, paint * 1.05, 1.0),
    ]
    for x in (-0.31 * long, 0.31 * long):
        parts.append(Part(_ellipse(x, 0.85, 0.15, 0.15), np.full(3, 22.0), 0.85))
        spoke = (0.07 * np.cos(phase), 0.07 * np.sin(phase))
        parts.append(Part(_ellipse(x, 0.85, 0.085, 0.085), np.full(3, 120.0), 0.6))
        parts.append(
            Part(_limb((x, 0.85), (x + spoke[0], 0.85 + spoke[1]), 0.02, 0.02), glass, 0.6)
        )
    return parts


def _animal(rng: np.random.Generator, phase: float) -> list[Part]:
    fur = np.array([150.0, 115, 80]) * rng.uniform(0.3, 1.4) + rng.normal(0, 8, 3)
    neck, leg = rng.uniform(0.1, 0.25), rng.uniform(0.035, 0.05)
    parts = []
    for index, x in enumerate((-0.3, -0.24, 0.24, 0.3)):
        swing = 0.13 * np.sin(phase + index * np.pi / 2 * 1.3)
        shade = fur * (0.75 if index % 2 else 0.95)
        parts.append(Part(_limb((x, 0.5), (x + swing, 0.96), leg * 1.5, leg), shade, 0.6))
    parts.append(
        Part(_limb((-0.38, 0.4), (-0.52, 0.3 + 0.05 * np.sin(phase)), 0.03, 0.02), fur, 0.5)
    )
    parts.append(Part(_ellipse(0, 0.47, 0.4, 0.17), fur, 0.75))
    if rng.random() < 0.6:
        parts.append(Part(_ellipse(rng.uniform(-0.2, 0.2), 0.44, 0.12, 0.09), fur * 1.6, 0.7))
    nod = 0.03 * np.sin(phase)
    parts.append(Part(_limb((0.32, 0.42), (0.45, 0.32 - neck + nod), 0.11, 0.07), fur * 1.05, 0.85))
    parts.append(Part(_limb((0.45, 0.2 - neck / 2 + nod), (0.57, 0.25), 0.08, 0.045), fur, 1.0))
    return parts


def _soft_body(rng: np.random.Generator, phase: float) -> list[Part]:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    order = np.arange(2, 6)
    amplitude, start = rng.uniform(0, 0.28, 4) / order, rng.uniform(0, 2 * np.pi, 4)
    speed = rng.choice([1, 2], 4)
    wobble = (amplitude * np.sin(order * angles[:, None] + start + speed * phase)).sum(1)
    aspect = rng.uniform(0.7, 1.3)
    ring = np.stack([aspect * np.cos(angles), np.sin(angles)], axis=1)
    outline = 0.36 * (1 + wobble)[:, None] * ring
    parts = [Part(np.add(outline, (0, 0.5)), _colour(rng), 0.6)]
    parts.append(Part(np.add(0.62 * outline, (0, 0.48)), _colour(rng), 0.85))
    for _ in range(4):
        x, y = rng.uniform(-0.18, 0.18, 2)
        parts.append(Part(_ellipse(x, 0.5 + y, *rng.uniform(0.03, 0.09, 2)), _colour(rng), 1.0))
    return parts


SPRITES: dict[str, Callable[[np.random.Generator, float], list[Part]]] = {
    "person": _person,
    "car": _car,
    "animal": _animal,
    "soft_body": _soft_body,
}
