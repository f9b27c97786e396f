"""How exactly cameras are registered: known warps of real aligned pairs, found again.

Each try crops the visible image and cuts a random quadrilateral (scale, shift, rotation,
perspective) out of the thermal one, at a resolution and an aspect ratio of its own. The error is
the mean distance, in visible pixels, between where a grid of thermal pixels is mapped by the
homography found and by the true one. `clicked` fits point pairs that are off by Gaussian noise of
--noise pixels in each panel of a window that shows both equally high, at the visible resolution;
`automatic` sees nothing but the images, and may refuse: what it is sure of is counted by itself.

    python benchmarks/registration.py FOLDER... [--tries 20] [--frames 1] [--noise 0.5]

Each FOLDER holds color/ and ir/ with equal names. With --frames 1 a try takes one pair of any
folder; with --frames N it takes N pairs evenly spread over one folder, a sequence of two fixed
cameras, and warps them alike. --first gives other tries than those that a change was made with.
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
    """Errors of both ways, what the automatic one says of itself, and its seconds."""
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
    found = register_frames(rgb, tir)
    seconds = time.perf_counter() - started
    return {
        "clicked": error(clicked.matrix, true, tir_size),
        "automatic": error(found.registration.matrix, true, tir_size),
        "correlation": found.correlation,
        "margin": found.margin,
        "certain": float(found.is_certain),
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
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first try")
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    folders = [paired_files(folder) for folder in options.folders]
    rows: list[dict[str, float]] = []
    for number in range(options.first, options.first + options.tries):
        rng = np.random.default_rng(number)
        files = folders[number % len(folders)]
        if options.frames == 1:
            chosen = [int(rng.integers(len(files)))]
        else:
            chosen = np.linspace(0, len(files) - 1, options.frames).round().astype(int).tolist()
        pairs = [(read_rgb(files[index][0]), read_tir(files[index][1])) for index in chosen]
        rows.append(one_try(pairs, rng, options.noise, options.points))
        if options.verbose:
            values = "  ".join(f"{key} {value:.2f}" for key, value in rows[-1].items())
            print(f"{number} {files[chosen[0]][0]}: {values}", flush=True)
    for way, limit in LIMITS.items():
        print_share(way, np.array([row[way] for row in rows]), limit)
    certain = np.array([row["automatic"] for row in rows if row["certain"]])
    if len(certain):
        print_share("automatic, where it is sure", certain, LIMITS["automatic"])
    print(f"automatic: {np.median([row['seconds'] for row in rows]):.1f} s per try (median)")


def paired_files(folder: Path) -> list[tuple[Path, Path]]:
    """The visible and thermal files of a folder, in order."""
    both = (list_images(folder / name) for name in ("color", "ir"))
    return list(zip(*both, strict=True))


def print_share(name: str, errors: np.ndarray, limit: float) -> None:
    """One line: how many tries are within the limit, and the errors."""
    print(f"{name}: {(errors <= limit).mean():.0%} of {len(errors)} within {limit:g} px; "
          f"median {np.median(errors):.2f}, largest {errors.max():.2f} px")  # fmt: skip


if __name__ == "__main__":
    main()
