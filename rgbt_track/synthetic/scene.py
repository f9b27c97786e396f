"""One synthetic RGB-T scene, frame by frame, with the exact truth about its target.

A painted world (scenery) is seen by a moving camera pair; jointed figures (sprites) walk through
it, behind trunks and bushes and past others that look alike in one band; night, smoke and thermal
crossover come and go (challenges). Frames are drawn, not simulated: radiometry is only suggested.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.background import draw_occluder, draw_scenery
from rgbt_track.synthetic.cameras import ThermalCamera, VisibleCamera
from rgbt_track.synthetic.challenges import CALM_FRAMES, CHALLENGES, Challenge, Schedule, wander
from rgbt_track.synthetic.compositing import lay_over, placed_box, shadow, stamp
from rgbt_track.synthetic.moving_objects import Actor, Occluder
from rgbt_track.synthetic.sprites import SPRITES, draw_sprite, recoloured

_MARGIN = 0.3
_HEIGHTS = {"person": 0.3, "car": 0.2, "animal": 0.22, "soft_body": 0.2}


class SceneFrame(NamedTuple):
    """One frame: visible (H, W, 3) RGB and thermal (H, W) uint8, and the truth about the target.

    ``box`` (4,) is x, y, w, h around the whole target as far as it is in the image, occluded or
    not; ``attributes`` say what makes this frame hard; ``mask`` (H, W) bool is the target's
    visible part.
    """

    rgb: NDArray[np.uint8]
    tir: NDArray[np.uint8]
    box: NDArray[np.float64]
    attributes: tuple[str, ...]
    mask: NDArray[np.bool_]


def scene_frames(
    seed: int | list[int],
    frames: int,
    size: tuple[int, int] = (320, 240),
    challenge: str = "mixed",
    target: str | None = None,
) -> Iterator[SceneFrame]:
    """Draw a sequence frame by frame; the same arguments give the same frames.

    ``size`` is width, height; ``challenge`` one of ``CHALLENGES``; ``target`` one of ``SPRITES``
    (by default drawn at random). Raises ``ValueError`` for an unknown name, fewer than one frame
    or an image smaller than 64 x 64.
    """
    if challenge not in CHALLENGES:
        raise ValueError(f"unknown challenge {challenge!r}; valid: {', '.join(CHALLENGES)}")
    if target is not None and target not in SPRITES:
        raise ValueError(f"unknown target {target!r}; valid: {', '.join(SPRITES)}")
    if frames < 1 or min(size) < 64:
        raise ValueError(f"cannot draw {frames} frames of {size[0]}x{size[1]}; least 1 of 64x64")
    scene = _Scene(np.random.default_rng(seed), frames, size, CHALLENGES[challenge], target)
    return (scene.compose(index) for index in range(frames))


class _Scene:
    """Everything that is drawn once for a sequence; ``compose`` puts a frame together."""

    def __init__(
        self,
        rng: np.random.Generator,
        frames: int,
        size: tuple[int, int],
        challenge: Challenge,
        target: str | None,
    ) -> None:
        self.rng, self.frames, self.size, self.challenge = rng, frames, size, challenge
        self.schedule = Schedule.draw(challenge, frames, rng)
        self.world = draw_scenery(rng, *(round(side * (1 + 2 * _MARGIN)) for side in size))
        self.thermal = ThermalCamera(rng, *size, self.world.ground_heat)
        self.levels = rng.uniform(75, 150) / self.thermal.gain
        border = _MARGIN * np.array(size, float)
        reach = np.minimum(challenge.pan, 0.7 * border)
        self.pan = border + wander(rng, frames, 45, -reach, reach)
        shake = rng.normal(0, challenge.shake, (frames, 2))
        self.camera = np.clip(self.pan + shake, 0, 2 * border)
        self.target = self._target(target or str(rng.choice(list(SPRITES))))
        self.others = [self._other(index) for index in range(challenge.distractors)]
        drawn = (self._occluder(index) for index in range(challenge.occluders))
        self.occluders = [occluder for occluder in drawn if occluder]
        self.visible = VisibleCamera(rng, *size, challenge.noise)

    def compose(self, index: int) -> SceneFrame:
        """Frame ``index``; to be called in order, because the cameras' noise goes on."""
        offset = self.camera[index]
        layers = (self.world.rgb, self.world.tir, self.world.glow)
        rgb, tir, glow = (_look(layer, offset, self.size) for layer in layers)
        for other in self.others:
            self._stamp(other, index, rgb, tir)
        cover = self._stamp(self.target, index, rgb, tir)
        place = self.target.placement(index, offset)
        box = placed_box(self.target.pose(index), place, *self.size)
        whole = int((cover >= 128).sum())
        for occluder in self.occluders:
            left, top = np.round(occluder.place - offset).astype(int)
            for image, layer in ((rgb, occluder.rgba[..., :3]), (tir, occluder.heat)):
                lay_over(image, layer, occluder.rgba[..., 3], left, top)
            lay_over(cover, np.zeros_like(occluder.heat), occluder.rgba[..., 3], left, top)
        mask = cover >= 128
        light, haze = float(self.schedule.light[index]), float(self.schedule.haze[index])
        rgb = self.visible.take(rgb, glow, light, haze, index, self.rng)
        tir = self.thermal.take(tir, self.rng)
        seen = float(mask.sum() / max(whole, 1))
        return SceneFrame(rgb, tir, box, self._attributes(index, seen), mask)

    def _stamp(
        self, actor: Actor, index: int, rgb: NDArray[np.uint8], tir: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        place, pose = actor.placement(index, self.camera[index]), actor.pose(index)
        shadow(rgb, place, 0.35 * place.tall, float(self.schedule.light[index]))
        difference = self.levels * float(actor.contrast[index])
        cold = actor.level(tir, placed_box(pose, place, *self.size)) + 0.3 * difference
        return stamp(pose, place, rgb, tir, cold, cold + 0.7 * difference)

    def _attributes(self, index: int, seen: float) -> tuple[str, ...]:
        schedule, found = self.schedule, []
        if schedule.light[index] < 0.4:
            found.append("low_illumination")
        if abs(schedule.contrast[index]) < 0.2:
            found.append("thermal_crossover")
        if schedule.haze[index] > 0.4:
            found.append("smoke")
        if seen < 0.1:
            found.append("full_occlusion")
        elif seen < 0.8:
            found.append("partial_occlusion")
        if not 0.67 < schedule.zoom[index] / schedule.zoom[0] < 1.5:
            found.append("scale_variation")
        return tuple(found)

    def _target(self, kind: str) -> Actor:
        width, height = self.size
        tall = height * _HEIGHTS[kind] * self.rng.uniform(0.75, 1.15) * self.schedule.zoom
        tall = np.clip(tall, 12, 0.6 * height)
        aside = float(tall.max()) * (0.3 if kind == "person" else 0.7) + 3
        low = np.array([aside, max(0.45 * height, tall.max() + 4)])
        high = np.maximum(np.array([width - aside, height - 4.0]), low + 1)
        feet = wander(self.rng, self.frames, 26 / self.challenge.pace, low, high)
        poses = draw_sprite(kind, self.rng, int(np.clip(1.15 * tall.max(), 32, 220)))
        return Actor(poses, feet + self.pan, tall, self.schedule.contrast)

    def _other(self, index: int) -> Actor:
        """A distractor; a twin has the target's shape and either its colours or its warmth."""
        width, height = self.size
        low, high = np.array([-20.0, 0.45 * height]), np.array([width + 20.0, height - 4.0])
        feet = wander(self.rng, self.frames, 35, low, high) + self.pan.mean(0)
        if not self.challenge.twins:
            kind = str(self.rng.choice(["person", "person", "car", "animal"]))
            poses = draw_sprite(kind, self.rng, int(0.25 * height))
            tall = np.full(self.frames, height * self.rng.uniform(0.18, 0.28))
            warmth = np.full(self.frames, self.rng.uniform(-0.5, 0.9))
            return Actor(poses, feet, tall, warmth)
        tall = self.target.tall * self.rng.uniform(0.92, 1.08)
        if index % 2 == 0:
            return Actor(self.target.poses, feet, tall, -0.5 * self.target.contrast)
        gain = self.rng.uniform(0.4, 1.8, 3)
        poses = [recoloured(pose, gain) for pose in self.target.poses]
        return Actor(poses, feet, tall, self.target.contrast)

    def _occluder(self, index: int) -> Occluder | None:
        """Something still in the world, where the target will be at a drawn time.

        Only where it leaves the first frames free; ``None`` where the target hardly moves.
        """
        feet, tall = self.target.feet, self.target.tall
        for breadth in (self.rng.uniform(0.35, 0.8), 0.4, 0.25):
            times = self._clear_of_the_start(breadth)
            if len(times):
                break
        else:
            return None
        part = np.array_split(times, self.challenge.occluders)[index]
        at = int(self.rng.choice(part if len(part) else times))
        high, wide = tall[at] * self.rng.uniform(1.2, 1.6), tall[at] * breadth
        rgba, heat = draw_occluder(self.rng, int(high), int(wide), self.world.ground_heat)
        return Occluder(rgba, heat, feet[at] + (-wide / 2, 6 - high))

    def _clear_of_the_start(self, breadth: float) -> NDArray[np.intp]:
        """The frames where an occluder of ``breadth`` target heights hides none of the first."""
        feet, tall = self.target.feet, self.target.tall
        apart = np.abs(feet[:, None] - feet[None, :CALM_FRAMES])  # (frames, calm frames, 2)
        own = self.target.poses[0].hull
        half = 0.55 * np.ptp(own[:, 0]) / np.ptp(own[:, 1]) * tall[0]
        aside = apart[..., 0] > 0.5 * breadth * tall[:, None] + half
        return np.flatnonzero((aside | (apart[..., 1] > 1.6 * tall[0])).all(1))


def _look(
    layer: NDArray[np.uint8], offset: NDArray[np.floating], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The part of a world layer that the camera sees, shifted by fractions of a pixel too."""
    matrix = np.array([[1, 0, -offset[0]], [0, 1, -offset[1]]], float)
    return cv2.warpAffine(layer, matrix, size, borderMode=cv2.BORDER_REPLICATE)
