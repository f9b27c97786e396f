"""Drawn targets for synthetic scenes: jointed figures with a color and a heat for every part.

A sprite is drawn once per pose (a walking cycle, or the wobble of a soft body) and then only
warped into frames. Parts are polygons in units of the figure's height, x to the right from its
middle and y downwards from 0 to 1; heat is 0 (as the surroundings) to 1 (hottest part).

The order of random draws is part of the format: a seed must give the same figure in every version.
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
_BORDER = 4  # pixels around the figure
_SHIFT = 4  # fractional bits of cv2's polygon corners


class Part(NamedTuple):
    """One polygon (n, 2) with its color (R, G, B in 0..255) and heat (0..1)."""

    points: NDArray[np.float64]
    color: NDArray[np.float64]
    heat: float


@dataclass(frozen=True, eq=False)
class Pose:
    """One drawn pose.

    Args:
        rgba: (h, w, 4) uint8, premultiplied by alpha.
        heat: (h, w) uint8, premultiplied by alpha.
        hull: (n, 2) corners of the outline's convex hull in pixels.
        foot: (2,) the point that stands on the ground.
        height: the figure's height in pixels.
    """

    rgba: NDArray[np.uint8]
    heat: NDArray[np.uint8]
    hull: NDArray[np.float64]
    foot: NDArray[np.float64]
    height: float


def draw_sprite(kind: str, rng: np.random.Generator, height: int) -> list[Pose]:
    """Draw all poses of a new figure of one of ``SPRITES``, ``height`` pixels high."""
    draw_parts = SPRITES[kind]
    seed = int(rng.integers(2**31))
    size = (height + 2 * _BORDER, int(height * 1.5) + 2 * _BORDER)
    texture = 1 + 0.35 * (fractal_noise(rng, *size, finest=3) - 0.5)
    poses = []
    for index in range(POSES):
        # Equal draws for every pose: the same figure in another phase of its movement.
        parts = draw_parts(np.random.default_rng(seed), 2 * np.pi * index / POSES)
        poses.append(draw_pose(parts, height, texture))
    return poses


def recolor(pose: Pose, gain: NDArray[np.float64]) -> Pose:
    """The same pose in other colors: each color channel times ``gain`` (3,), heat unchanged."""
    rgba = pose.rgba.astype(np.float32)
    rgba[..., :3] = np.minimum(rgba[..., :3] * gain, rgba[..., 3:])
    return Pose(rgba.astype(np.uint8), pose.heat, pose.hull, pose.foot, pose.height)


def draw_pose(parts: list[Part], height: int, texture: NDArray[np.float32]) -> Pose:
    """Draw the parts of a figure over each other, from back to front.

    ``height`` is the figure's in pixels; ``texture`` (h, w) scales color and heat and gives the
    image its size.
    """
    size = texture.shape
    color, heat = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    alpha = np.zeros(size, np.float32)
    for part in parts:
        points = part.points * height + (size[1] / 2, _BORDER)
        mask = np.zeros(size, np.uint8)
        corners = np.round(points * (1 << _SHIFT) - (1 << _SHIFT) / 2).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _SHIFT)
        part_alpha = mask.astype(np.float32) / 255
        transparency = 1 - part_alpha
        color *= transparency[..., None]
        color += part_alpha[..., None] * part.color * texture[..., None]
        heat *= transparency
        heat += part_alpha * part.heat * (55 + 200 * texture)
        alpha *= transparency
        alpha += part_alpha * 255
    rgba = np.dstack([np.minimum(color, alpha[..., None]), alpha]).astype(np.uint8)
    # The hull of the pixels' corners, in continuous coordinates.
    outline = cv2.findNonZero((rgba[..., 3] >= 128).astype(np.uint8)).reshape(-1, 2)
    corners = np.concatenate([outline + delta for delta in ((0, 0), (0, 1), (1, 0), (1, 1))])
    hull = cv2.convexHull(corners.astype(np.int32)).reshape(-1, 2).astype(float)
    foot = np.array([size[1] / 2, hull[:, 1].max()])
    return Pose(rgba, np.minimum(heat, alpha).astype(np.uint8), hull, foot, float(height))


def _ellipse(x: float, y: float, radius_x: float, radius_y: float) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.array([x, y]) + circle * (radius_x, radius_y)


def _limb(
    start: tuple[float, float], end: tuple[float, float], thick: float, thin: float
) -> NDArray[np.float64]:
    """The hull of a circle of radius ``thick`` at one end and of ``thin`` at the other."""
    circles = np.concatenate([_ellipse(*start, thick, thick), _ellipse(*end, thin, thin)])
    return cv2.convexHull(circles.astype(np.float32)).reshape(-1, 2).astype(float)


def _color(rng: np.random.Generator, low: float = 25, high: float = 235) -> NDArray[np.float64]:
    """A random color of cloth or paint: mostly muted, sometimes vivid."""
    gray = rng.uniform(low, high)
    return np.clip(gray + rng.normal(0, rng.choice([12, 55]), 3), 8, 247)


def person_parts(rng: np.random.Generator, phase: float) -> list[Part]:
    """A walking person, seen from the side."""
    shirt, trousers, hair = _color(rng), _color(rng, 20, 130), _color(rng, 15, 90)
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
        parts.append(Part(np.array(stripe) * (build, 1), _color(rng), coat))
    front = (0.18 * swing, 0.49)
    parts.append(Part(_limb((0.1 * build, 0.23), front, 0.042, 0.03), shirt * 1.05, coat))
    parts.append(Part(_ellipse(*front, 0.03, 0.035), skin, 0.9))
    parts.append(Part(_ellipse(0.005, 0.1, 0.062, 0.085), skin, 1.0))
    parts.append(Part(_ellipse(-0.005, 0.055, 0.066, 0.055), hair, 0.75))
    return parts


def car_parts(rng: np.random.Generator, phase: float) -> list[Part]:
    """A car with turning wheels."""
    paint, glass = _color(rng), np.array([60.0, 75, 90])
    long, roof = rng.uniform(1.0, 1.3), rng.uniform(0.28, 0.42)
    shell = [(-0.5, 0.5), (0.42, 0.46), (0.53, 0.6), (0.53, 0.88), (-0.53, 0.88), (-0.53, 0.55)]
    cabin = [(-0.4, 0.52), (-roof, 0.05), (0.12, 0.05), (0.3, 0.5)]
    pane = [(-0.33, 0.46), (-roof + 0.05, 0.13), (0.08, 0.13), (0.21, 0.46)]
    hood = [(0.22, 0.5), (0.44, 0.48), (0.5, 0.6), (0.5, 0.72), (0.22, 0.72)]
    stretch = np.array([long, 1])
    parts = [
        Part(np.array(cabin) * stretch, paint * 0.85, 0.35),
        Part(np.array(pane) * stretch, glass, 0.15),
        Part(np.array(shell) * stretch, paint, 0.45),
        Part(np.array(hood) * stretch, paint * 1.05, 1.0),
    ]
    for x in (-0.31 * long, 0.31 * long):
        parts.append(Part(_ellipse(x, 0.85, 0.15, 0.15), np.full(3, 22.0), 0.85))
        spoke = (0.07 * np.cos(phase), 0.07 * np.sin(phase))
        parts.append(Part(_ellipse(x, 0.85, 0.085, 0.085), np.full(3, 120.0), 0.6))
        parts.append(
            Part(_limb((x, 0.85), (x + spoke[0], 0.85 + spoke[1]), 0.02, 0.02), glass, 0.6)
        )
    return parts


def animal_parts(rng: np.random.Generator, phase: float) -> list[Part]:
    """A four-legged animal, walking."""
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


def soft_body_parts(rng: np.random.Generator, phase: float) -> list[Part]:
    """A blob that changes its outline, with warm spots."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    order = np.arange(2, 6)
    amplitude, start = rng.uniform(0, 0.28, 4) / order, rng.uniform(0, 2 * np.pi, 4)
    speed = rng.choice([1, 2], 4)
    wobble = (amplitude * np.sin(order * angles[:, None] + start + speed * phase)).sum(1)
    aspect = rng.uniform(0.7, 1.3)
    ring = np.stack([aspect * np.cos(angles), np.sin(angles)], axis=1)
    outline = 0.36 * (1 + wobble)[:, None] * ring
    parts = [Part(np.add(outline, (0, 0.5)), _color(rng), 0.6)]
    parts.append(Part(np.add(0.62 * outline, (0, 0.48)), _color(rng), 0.85))
    for _ in range(4):
        x, y = rng.uniform(-0.18, 0.18, 2)
        parts.append(Part(_ellipse(x, 0.5 + y, *rng.uniform(0.03, 0.09, 2)), _color(rng), 1.0))
    return parts


# Name -> function of a generator and of the phase of the movement in radians.
SPRITES: dict[str, Callable[[np.random.Generator, float], list[Part]]] = {
    "person": person_parts,
    "car": car_parts,
    "animal": animal_parts,
    "soft_body": soft_body_parts,
}
