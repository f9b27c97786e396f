"""How exactly cameras are registered: known warps of real aligned pairs, found again.

Each try crops the visible image and cuts a random quadrilateral (scale, shift, rotation,
perspective) out of the thermal one, at a resolution and an aspect ratio of its own. The error is
the mean distance, in visible pixels, between where a grid of thermal pixels is mapped by the
homography found and by the true one. `clicked` fits point pairs that are off by Gaussian noise of
--noise pixels in each panel of a window that shows both equally high, at the visible resolution;
`automatic` sees nothing but the images.

    python benchmarks/registration.py FOLDER [--tries 50] [--frames 1] [--noise 0.5] [--points 8]

FOLDER holds color/ and ir/ with equal names. With --frames N each try warps N images alike, as
two fixed cameras would see them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from rgbt_track.io.images import list_images, read_rgb, read_tir
from rgbt_track.registration.automatic import register_frames
from rgbt_track.registration.model import apply_matrix, frame_corners
from rgbt_track.registration.points import fit_points

TIR_SIZES = ((320, 256), (384, 288), (256, 192), (160, 120))
LIMITS = {"clicked": 1.0, "automatic": 3.0}


def random_views(
    size: tuple[int, int], rng: np.random.Generator
) -> tuple[tuple[int, int, int, int], np.ndarray, tuple[int, int]]:
    """A crop x, y, w, h of the visible image; the homography to the thermal view; its size."""
    width, height = size
    part = rng.uniform(0.75, 1)
    w, h = round(width * part), round(height * part)
    crop = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h
    tir_size = TIR_SIZES[rng.integers(len(TIR_SIZES))]
    while True:
        # A quadrilateral within the image: its center, width, angle, and its corners' jitter.
        side = width * rng.uniform(0.6, 0.95)
        box = np.array([side, side * tir_size[1] / tir_size[0]])
        center = np.array(size) / 2 + rng.uniform(-0.15, 0.15, 2) * size
        angle = np.radians(rng.uniform(-8, 8))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * box
        corners = corners @ rotation.T + center + rng.uniform(-0.02, 0.02, (4, 2)) * side
        if (corners >= 0).all() and (corners <= np.array(size) - 1).all():
            break
    target = frame_corners(tir_size)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32))
    return crop, matrix.astype(float), tir_size


def error(found: np.ndarray, true: np.ndarray, tir_size: tuple[int, int]) -> float:
    """Mean distance over a grid of thermal pixels, in visible pixels."""
    grid = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 9) for side in tir_size)), -1)
    points = grid.reshape(-1, 2)
    distance = apply_matrix(found, points) - apply_matrix(true, points)
    return float(np.linalg.norm(distance, axis=1).mean())


def one_try(
    pairs: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator, noise: float, points: int
) -> dict[str, float]:
    """Errors of both ways, and the seconds of the automatic one."""
    size = pairs[0][0].shape[1], pairs[0][0].shape[0]
    (x, y, w, h), to_tir, tir_size = random_views(size, rng)
    true = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]]) @ np.linalg.inv(to_tir)
    rgb = [pair[0][y : y + h, x : x + w] for pair in pairs]
    tir = [cv2.warpPerspective(pair[1], to_tir, tir_size, flags=cv2.INTER_AREA) for pair in pairs]
    # Clicks: points spread over what both see, each off by noise in its own image.
    inside = rng.uniform(0.05, 0.95, (50 * points, 2)) * tir_size
    mapped = apply_matrix(true, inside)
    seen = ((mapped > 0) & (mapped < (w, h))).all(1)
    thermal = spread(inside[seen], points)
    visible = apply_matrix(true, thermal)
    shrink = tir_size[1] / h
    clicked = fit_points(
        visible + rng.normal(0, noise, visible.shape),
        thermal + rng.normal(0, noise * shrink, thermal.shape),
    )
    started = time.perf_counter()
    found, _ = register_frames(rgb, tir)
    seconds = time.perf_counter() - started
    return {
        "clicked": error(clicked.matrix, true, tir_size),
        "automatic": error(found.matrix, true, tir_size),
        "seconds": seconds,
    }


def spread(points: np.ndarray, count: int) -> np.ndarray:
    """``count`` points far from each other, as a user would choose them."""
    chosen = [0]
    while len(chosen) < count:
        distance = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(1)
        chosen.append(int(distance.argmax()))
    return points[chosen]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    paths = list(zip(list_images(options.folder / "color"), list_images(options.folder / "ir"),
                     strict=True))  # fmt: skip
    rows: list[dict[str, float]] = []
    for number in range(options.tries):
        rng = np.random.default_rng(number)
        start = int(rng.integers(len(paths) - options.frames + 1))
        group = paths[start : start + options.frames]
        pairs = [(read_rgb(rgb), read_tir(tir)) for rgb, tir in group]
        rows.append(one_try(pairs, rng, options.noise, options.points))
        if options.verbose:
            print(
                group[0][0].name,
                {key: round(value, 2) for key, value in rows[-1].items()},
                flush=True,
            )
    for way, limit in LIMITS.items():
        errors = np.array([row[way] for row in rows])
        print(f"{way}: {(errors <= limit).mean():.0%} of {len(rows)} within {limit:g} px; "
              f"median {np.median(errors):.2f}, mean {errors.mean():.2f} px")  # fmt: skip
    print(f"automatic: {np.median([row['seconds'] for row in rows]):.1f} s per try (median)")


if __name__ == "__main__":
    main()
