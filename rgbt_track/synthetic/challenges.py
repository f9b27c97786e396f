"""The difficulties of a synthetic sequence and their times: one named challenge per sequence.

A challenge only sets numbers; ``Schedule`` turns them into one value per frame. The first
``CLEAN_FRAMES`` frames are always free of difficulties, so that a tracker starts on a target that
is visible in both bands.

The order of random draws is part of the format: a seed must give the same schedule in every
version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import smoothstep

CLEAN_FRAMES = 6


@dataclass(frozen=True)
class Challenge:
    """Strengths of the difficulties of one sequence; the defaults are an easy day.

    Args:
        darkest: visible light left in a night episode (1 = day).
        haze: share of the visible image that smoke hides in an episode.
        contrast: thermal contrast of the target, 1 being 75 to 150 gray levels of the camera.
        contrast_after: what the contrast becomes in an episode (0: thermal crossover, negative:
            colder than the surroundings).
        occluders: number of objects that the target passes behind.
        distractors: number of other moving objects.
        lookalikes: the distractors have the target's shape and either its colors or its heat.
        zoom: the target's largest or smallest size as a multiple of its first.
        shake: standard deviation of the camera's jitter in pixels.
        pan: reach of the camera's slow motion in pixels.
        pace: speed of the target, 1 being normal.
        noise: standard deviation of the visible camera's noise in gray levels.
    """

    darkest: float = 1.0
    haze: float = 0.0
    contrast: float = 0.7
    contrast_after: float = 0.7
    occluders: int = 0
    distractors: int = 1
    lookalikes: bool = False
    zoom: float = 1.0
    shake: float = 0.3
    pan: float = 5.0
    pace: float = 1.0
    noise: float = 2.5


CHALLENGES: dict[str, Challenge] = {
    "day": Challenge(),
    "night": Challenge(darkest=0.09, noise=5.0),
    "crossover": Challenge(contrast_after=0.0),
    "occlusion": Challenge(occluders=3, pace=1.3),
    "distractors": Challenge(distractors=4, lookalikes=True),
    "scale": Challenge(zoom=2.4),
    "camera": Challenge(shake=2.5, pan=60.0),
    "smoke": Challenge(haze=0.9),
    "fast": Challenge(pace=3.0),
    "cold": Challenge(contrast=-0.4, contrast_after=-0.3),
    "mixed": Challenge(
        darkest=0.15,
        haze=0.3,
        contrast=0.6,
        contrast_after=-0.1,
        occluders=1,
        distractors=3,
        lookalikes=True,
        zoom=1.6,
        shake=1.0,
        pan=30.0,
        pace=1.3,
        noise=4.0,
    ),
}


@dataclass(frozen=True, eq=False)
class Schedule:
    """One value per frame for everything that changes, each an array of shape (frames,).

    Args:
        light: visible light, 1 = day.
        haze: share of the visible image that smoke hides.
        contrast: thermal contrast of the target, as in ``Challenge``.
        zoom: the target's size relative to its nominal one.
    """

    light: NDArray[np.floating]
    haze: NDArray[np.floating]
    contrast: NDArray[np.floating]
    zoom: NDArray[np.floating]

    @classmethod
    def draw(cls, challenge: Challenge, frames: int, rng: np.random.Generator) -> Schedule:
        """Draw the episodes of the challenge's difficulties.

        While the visible image is dark or hidden the thermal contrast stays, so that only
        occlusion hides the target in both bands.
        """
        time = np.arange(frames) / max(frames - 1, 1)
        darkness = episodes(rng, frames) * (1 - challenge.darkest)
        haze = episodes(rng, frames) * challenge.haze
        # Thermal contrast changes in episodes of its own, and drifts all the time.
        hidden = np.maximum(darkness, haze)
        change = episodes(rng, frames) * (1 - np.minimum(1.3 * hidden, 1))
        contrast = challenge.contrast + change * (challenge.contrast_after - challenge.contrast)
        drift = 1 + 0.12 * np.sin(2 * np.pi * (time * rng.uniform(0.5, 2) + rng.random()))
        # The target grows or shrinks towards its final size, or sways a little.
        if challenge.zoom == 1.0:
            zoom = 1 + 0.06 * np.sin(2 * np.pi * (time + rng.random()))
        else:
            swing = 0.5 - 0.5 * np.cos(np.pi * time * rng.uniform(1.0, 1.9))
            direction = 1 if rng.random() < 0.6 else -1
            zoom = challenge.zoom ** (direction * swing)
        return cls(1 - darkness, haze, contrast * drift, zoom)

    def attributes(self, index: int, visible_share: float) -> tuple[str, ...]:
        """Names of the difficulties in frame ``index``.

        ``visible_share`` is the part of the target, 0..1, that no occluder hides.
        """
        names = []
        if self.light[index] < 0.4:
            names.append("low_illumination")
        if abs(self.contrast[index]) < 0.2:
            names.append("thermal_crossover")
        if self.haze[index] > 0.4:
            names.append("smoke")
        if visible_share < 0.1:
            names.append("full_occlusion")
        elif visible_share < 0.8:
            names.append("partial_occlusion")
        if not 0.67 < self.zoom[index] / self.zoom[0] < 1.5:
            names.append("scale_variation")
        return tuple(names)


def episodes(rng: np.random.Generator, frames: int) -> NDArray[np.floating]:
    """(frames,) strength in 0..1 of a difficulty that is 0 at first and comes once or twice."""
    count = 1 if frames < 90 else 2
    span = max(frames - CLEAN_FRAMES, 1) / count
    time = np.arange(frames, dtype=float)
    total = np.zeros(frames)
    for index in range(count):
        begin = CLEAN_FRAMES + span * (index + rng.uniform(0.05, 0.25))
        end = CLEAN_FRAMES + span * (index + rng.uniform(0.7, 0.9))
        ramp = max(min(12.0, (end - begin) / 3), 1.0)
        total += smoothstep(time, begin, begin + ramp) * (1 - smoothstep(time, end - ramp, end))
    return np.clip(total, 0, 1)


def random_path(
    rng: np.random.Generator, frames: int, step: float, low: NDArray, high: NDArray
) -> NDArray[np.floating]:
    """A smooth random path (frames, 2): a Catmull-Rom spline through random way points.

    Args:
        rng: where the way points are drawn from; each lies a tenth to a third of the range from
            the one before it.
        frames: length of the path.
        step: frames between way points.
        low: (2,) lower limits of x and y.
        high: (2,) upper limits of x and y.
    """
    count = int(np.ceil(frames / step)) + 4
    points = [rng.uniform(low + 0.25 * (high - low), high - 0.25 * (high - low))]
    for _ in range(count - 1):
        move = rng.uniform(0.1, 0.38, 2) * rng.choice([-1, 1], 2) * (high - low)
        point = points[-1] + move
        points.append(np.where((point < low) | (point > high), points[-1] - move, point))
    knots = np.clip(np.array(points), low, high)
    time = 1 + np.arange(frames) / step
    index = time.astype(int)
    t = (time - index)[:, None]
    p0, p1, p2, p3 = (knots[index + offset] for offset in (-1, 0, 1, 2))
    curve = p1 + 0.5 * t * (
        p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))
    )
    return np.clip(curve, low, high)
