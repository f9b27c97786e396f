"""One synthetic RGB-T scene, frame by frame, with exact ground truth of its target.

A painted background is viewed by a moving camera pair; jointed figures (sprites) walk through it,
behind trunks and bushes and past others that look alike in one band; night, smoke and thermal
crossover come and go (challenges). Frames are drawn, not simulated: radiometry is only suggested.

The order of random draws is part of the format: a seed must give the same frames in every version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.resources import check_choice
from rgbt_track.synthetic.background import draw_background, draw_occluder
from rgbt_track.synthetic.cameras import ThermalCamera, VisibleCamera
from rgbt_track.synthetic.challenges import (
    CHALLENGES,
    CLEAN_FRAMES,
    Challenge,
    Schedule,
    random_path,
)
from rgbt_track.synthetic.compositing import (
    alpha_composite,
    composite_pose,
    draw_shadow,
    pose_box,
)
from rgbt_track.synthetic.moving_objects import MovingObject, Occluder
from rgbt_track.synthetic.sprites import SPRITES, draw_sprite, recolor

_MARGIN = 0.3  # of the background around the image, in image sides
_HEIGHTS = {"person": 0.3, "car": 0.2, "animal": 0.22, "soft_body": 0.2}  # in image heights


class SceneFrame(NamedTuple):
    """One frame and the ground truth of the target.

    Args:
        rgb: (H, W, 3) uint8.
        tir: (H, W) uint8.
        box: (4,) x, y, w, h around the whole target as far as it is in the image, occluded or not.
        attributes: the difficulties of this frame.
        mask: (H, W) bool, the target's visible part.
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

    Args:
        seed: of the sequence.
        frames: how many.
        size: width, height in pixels.
        challenge: one of ``CHALLENGES``.
        target: one of ``SPRITES``; drawn at random without it.

    Raises:
        ValueError: an unknown name, fewer than one frame, or an image smaller than 64 x 64.
    """
    check_choice("unknown challenge", challenge, CHALLENGES)
    if target is not None:
        check_choice("unknown target", target, SPRITES)
    if frames < 1 or min(size) < 64:
        raise ValueError(f"cannot draw {frames} frames of {size[0]}x{size[1]}; least 1 of 64x64")
    scene = Scene(np.random.default_rng(seed), frames, size, CHALLENGES[challenge], target)
    return (scene.compose(index) for index in range(frames))


class Scene:
    """Everything that is drawn once per sequence; ``compose`` draws a frame.

    ``camera`` (frames, 2) is the upper left corner of each frame in the background.

    Args:
        rng: where everything is drawn from.
        frames: length of the sequence.
        size: width, height in pixels.
        challenge: the difficulties.
        target: one of ``SPRITES``; drawn at random without it.
    """

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
        self.background = draw_background(rng, *(round(side * (1 + 2 * _MARGIN)) for side in size))
        self.thermal = ThermalCamera(rng, *size, self.background.ground_heat)
        self.contrast_levels = rng.uniform(75, 150) / self.thermal.gain
        # The camera's path: slow panning plus jitter, within the background.
        border = _MARGIN * np.array(size, float)
        reach = np.minimum(challenge.pan, 0.7 * border)
        self.pan = border + random_path(rng, frames, 45, -reach, reach)
        shake = rng.normal(0, challenge.shake, (frames, 2))
        self.camera = np.clip(self.pan + shake, 0, 2 * border)
        # Target, distractors and occluders, in this order.
        self.target = self._draw_target(target or str(rng.choice(list(SPRITES))))
        self.distractors = [self._draw_distractor(i) for i in range(challenge.distractors)]
        occluders = (self._draw_occluder(i) for i in range(challenge.occluders))
        self.occluders = [occluder for occluder in occluders if occluder]
        self.visible = VisibleCamera(rng, *size, challenge.noise)

    def compose(self, index: int) -> SceneFrame:
        """Frame ``index``; to be called in order, because the cameras' noise goes on."""
        # The part of the background that the cameras see, shifted by fractions of a pixel too.
        offset = self.camera[index]
        matrix = np.array([[1, 0, -offset[0]], [0, 1, -offset[1]]], float)
        rgb, tir, glow = (
            cv2.warpAffine(layer, matrix, self.size, borderMode=cv2.BORDER_REPLICATE)
            for layer in (self.background.rgb, self.background.tir, self.background.glow)
        )
        # Moving objects, the target last; its box.
        for distractor in self.distractors:
            self._composite_object(distractor, index, rgb, tir)
        alpha = self._composite_object(self.target, index, rgb, tir)
        box = pose_box(self.target.pose(index), self.target.placement(index, offset), *self.size)
        target_area = int((alpha >= 128).sum())
        # Occluders in front; they also hide the target's mask.
        for occluder in self.occluders:
            left, top = np.round(occluder.corner - offset).astype(int)
            for image, layer in ((rgb, occluder.rgba[..., :3]), (tir, occluder.heat)):
                alpha_composite(image, layer, occluder.rgba[..., 3], left, top)
            alpha_composite(alpha, np.zeros_like(occluder.heat), occluder.rgba[..., 3], left, top)
        mask = alpha >= 128
        # What the cameras make of it.
        light, haze = float(self.schedule.light[index]), float(self.schedule.haze[index])
        rgb = self.visible.take(rgb, glow, light, haze, index, self.rng)
        tir = self.thermal.take(tir, self.rng)
        visible_share = float(mask.sum() / max(target_area, 1))
        return SceneFrame(rgb, tir, box, self.schedule.attributes(index, visible_share), mask)

    def _composite_object(
        self, item: MovingObject, index: int, rgb: NDArray[np.uint8], tir: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Draw an object with its shadow into both images, in place; returns its alpha (H, W)."""
        placement, pose = item.placement(index, self.camera[index]), item.pose(index)
        draw_shadow(rgb, placement, 0.35 * placement.height, float(self.schedule.light[index]))
        contrast = self.contrast_levels * float(item.contrast[index])
        box = pose_box(pose, placement, *self.size)
        cold = item.surrounding_level(tir, box) + 0.3 * contrast
        return composite_pose(pose, placement, rgb, tir, cold, cold + 0.7 * contrast)

    def _draw_target(self, kind: str) -> MovingObject:
        """The target, one of ``SPRITES``, on a path that stays in the image."""
        width, height = self.size
        heights = height * _HEIGHTS[kind] * self.rng.uniform(0.75, 1.15) * self.schedule.zoom
        heights = np.clip(heights, 12, 0.6 * height)
        margin = float(heights.max()) * (0.3 if kind == "person" else 0.7) + 3
        low = np.array([margin, max(0.45 * height, heights.max() + 4)])
        high = np.maximum(np.array([width - margin, height - 4.0]), low + 1)
        feet = random_path(self.rng, self.frames, 26 / self.challenge.pace, low, high)
        poses = draw_sprite(kind, self.rng, int(np.clip(1.15 * heights.max(), 32, 220)))
        return MovingObject(poses, feet + self.pan, heights, self.schedule.contrast)

    def _draw_distractor(self, index: int) -> MovingObject:
        """A distractor; a lookalike has the target's shape and either its colors or its heat."""
        width, height = self.size
        low, high = np.array([-20.0, 0.45 * height]), np.array([width + 20.0, height - 4.0])
        feet = random_path(self.rng, self.frames, 35, low, high) + self.pan.mean(0)
        if not self.challenge.lookalikes:
            kind = str(self.rng.choice(["person", "person", "car", "animal"]))
            poses = draw_sprite(kind, self.rng, int(0.25 * height))
            heights = np.full(self.frames, height * self.rng.uniform(0.18, 0.28))
            contrast = np.full(self.frames, self.rng.uniform(-0.5, 0.9))
            return MovingObject(poses, feet, heights, contrast)
        heights = self.target.heights * self.rng.uniform(0.92, 1.08)
        if index % 2 == 0:
            return MovingObject(self.target.poses, feet, heights, -0.5 * self.target.contrast)
        gain = self.rng.uniform(0.4, 1.8, 3)
        poses = [recolor(pose, gain) for pose in self.target.poses]
        return MovingObject(poses, feet, heights, self.target.contrast)

    def _draw_occluder(self, index: int) -> Occluder | None:
        """A static object in the place where the target will be at a random time.

        Only where it does not hide the target in the clean frames; ``None`` where the target
        hardly moves.
        """
        feet, heights, hull = self.target.feet, self.target.heights, self.target.poses[0].hull
        distance = np.abs(feet[:, None] - feet[None, :CLEAN_FRAMES])  # (frames, clean frames, 2)
        half_width = 0.55 * np.ptp(hull[:, 0]) / np.ptp(hull[:, 1]) * heights[0]
        is_above_or_below = distance[..., 1] > 1.6 * heights[0]
        # The widest occluder, in target heights, for which there is a free time.
        for breadth in (self.rng.uniform(0.35, 0.8), 0.4, 0.25):
            is_beside = distance[..., 0] > 0.5 * breadth * heights[:, None] + half_width
            times = np.flatnonzero((is_beside | is_above_or_below).all(1))
            if len(times):
                break
        else:
            return None
        part = np.array_split(times, self.challenge.occluders)[index]
        time = int(self.rng.choice(part if len(part) else times))
        height, width = heights[time] * self.rng.uniform(1.2, 1.6), heights[time] * breadth
        rgba, heat = draw_occluder(self.rng, int(height), int(width), self.background.ground_heat)
        return Occluder(rgba, heat, feet[time] + (-width / 2, 6 - height))
