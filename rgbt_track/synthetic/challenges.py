"""What goes wrong in a synthetic sequence, and when: one named challenge per sequence.

A challenge only sets numbers; ``Schedule`` turns them into one value per frame. The first frames
are always free of trouble, so that a tracker starts on a target that it can see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbt_track.synthetic.noise import smoothstep

CALM_FRAMES = 6


@dataclass(frozen=True)
class Challenge:
    """Strengths of the troubles of one sequence; the defaults are an easy day.

    ``darkest`` is the visible light left in a night spell (1 = day) and ``haze`` the share of the
    visible picture that smoke hides; ``contrast`` is the thermal contrast of the target, 1 being
    75 to 150 grey levels of the camera, and ``contrast_after`` what it becomes in a spell (0:
    crossover, negative: colder than the surroundings); ``zoom`` the target's largest or smallest
    size as a multiple of its first; ``shake`` and ``pan`` the camera's motion in pixels; ``pace``
    the speed of the target; ``noise`` that of the visible camera in grey levels.
    """

    darkest: float = 1.0
    haze: float = 0.0
    contrast: float = 0.7
    contrast_after: float = 0.7
    occluders: int = 0
    distractors: int = 1
    twins: bool = False
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
    "distractors": Challenge(distractors=4, twins=True),
    "scale": Challenge(zoom=2.4),
    "camera": Challenge(shake=2.5, pan=60.0),
    "smoke": Challenge(haze=0.9),
    "fast": Challenge(pace=3.0),
    "cold": Challenge(contrast=-0.4, contrast_after=-0.3),
    "mixed": Challenge(0.15, 0.3, 0.6, -0.1, 1, 3, True, 1.6, 1.0, 30.0, 1.3, 4.0),
}


@dataclass(frozen=True, eq=False)
class Schedule:
    """One value per frame for everything that changes, each an array of shape (frames,)."""

    light: NDArray[np.floating]
    haze: NDArray[np.floating]
    contrast: NDArray[np.floating]
    zoom: NDArray[np.floating]

    @classmethod
    def draw(cls, challenge: Challenge, frames: int, rng: np.random.Generator) -> Schedule:
        """Draw the times at which the challenge's troubles come and go.

        While the visible picture is dark or hidden the thermal contrast stays, so that only
        occlusion hides the target from both.
        """
        time = np.arange(frames) / max(frames - 1, 1)
        dark, haze = (
            spells(rng, frames) * (1 - challenge.darkest),
            spells(rng, frames) * challenge.haze,
        )
        blind = np.maximum(dark, haze)
        change = spells(rng, frames) * (1 - np.minimum(1.3 * blind, 1))
        contrast = challenge.contrast + change * (challenge.contrast_after - challenge.contrast)
        drift = 1 + 0.12 * np.sin(2 * np.pi * (time * rng.uniform(0.5, 2) + rng.random()))
        return cls(
            light=1 - dark,
            haze=haze,
            contrast=contrast * drift,
            zoom=_zoom(rng, challenge.zoom, time),
        )


def spells(rng: np.random.Generator, frames: int) -> NDArray[np.floating]:
    """(frames,) a trouble that is 0 at first, comes and goes once or twice, and is 1 in between."""
    count = 1 if frames < 90 else 2
    span = max(frames - CALM_FRAMES, 1) / count
    now = np.arange(frames, dtype=float)
    total = np.zeros(frames)
    for index in range(count):
        begin = CALM_FRAMES + span * (index + rng.uniform(0.05, 0.25))
        end = CALM_FRAMES + span * (index + rng.uniform(0.7, 0.9))
        ramp = max(min(12.0, (end - begin) / 3), 1.0)
        total += smoothstep(now, begin, begin + ramp) * (1 - smoothstep(now, end - ramp, end))
    return np.clip(total, 0, 1)


def wander(
    rng: np.random.Generator, frames: int, step: float, low: NDArray, high: NDArray
) -> NDArray[np.floating]:
    """A smooth random walk (frames, 2) that stays between ``low`` (2,) and ``high`` (2,).

    ``step`` is the number of frames between way points; a way point lies a tenth to a third of
    the range from the one before it. Between them the path is a Catmull-Rom spline, cut to the
    range.
    """
    count = int(np.ceil(frames / step)) + 4
    points = [rng.uniform(low + 0.25 * (high - low), high - 0.25 * (high - low))]
    for _ in range(count - 1):
        move = rng.uniform(0.1, 0.38, 2) * rng.choice([-1, 1], 2) * (high - low)
        place = points[-1] + move
        points.append(np.where((place < low) | (place > high), points[-1] - move, place))
    knots = np.clip(np.array(points), low, high)
    at = 1 + np.arange(frames) / step
    index = at.astype(int)
    t = (at - index)[:, None]
    p0, p1, p2, p3 = (knots[index + offset] for offset in (-1, 0, 1, 2))
    curve = p1 + 0.5 * t * (
        p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))
    )
    return np.clip(curve, low, high)


def _zoom(
    rng: np.random.Generator, final: float, time: NDArray[np.floating]
) -> NDArray[np.floating]:
    if final == 1.0:
        return 1 + 0.06 * np.sin(2 * np.pi * (time + rng.random()))
    swing = 0.5 - 0.5 * np.cos(np.pi * time * rng.uniform(1.0, 1.9))
    direction = 1 if rng.random() < 0.6 else -1
    return final ** (direction * swing)
