"""The sequences that everything is computed on, and how a command and a picture are summed up."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from rgbt_track.cli import main

FRAMES = 12


def command(*arguments: object) -> str:
    """Run ``rgbt-track`` with these arguments in this process; returns its standard output."""
    output = io.StringIO()
    argv = ["rgbt-track", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(output):
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{' '.join(argv)}: exit status {end.code}") from None
    return output.getvalue()


def synthesize(folder: Path) -> Path:
    """The sequences that everything else runs on: day, night and crossover."""
    size = ("--size", "160x120", "--seed", 5)
    command("data", "synthesize", folder, "--count", 3, "--frames", FRAMES, *size)
    return folder


def summary(image: np.ndarray) -> dict[str, Any]:
    """Size, means of 4 x 4 blocks, and mean step between neighbours, which shows the sharpness."""
    pixels = image.astype(np.float32)
    steps = [float(np.abs(np.diff(pixels, axis=axis)).mean()) for axis in (0, 1)]
    blocks = cv2.resize(pixels, (4, 4), interpolation=cv2.INTER_AREA)
    return {"size": list(image.shape), "blocks": rounded(blocks.ravel(), 2), "steps": steps}


def rounded(values: Any, digits: int = 5) -> list[float]:
    return np.round(np.asarray(values, float), digits).tolist()


def pictures(folder: Path) -> dict[str, Any]:
    """Ground truth and frames of the synthetic sequences."""
    result: dict[str, Any] = {}
    for sequence in sorted(synthesize(folder).iterdir()):
        truth = np.loadtxt(sequence / "groundtruth.txt", delimiter=",")
        result[sequence.name] = {"boxes": truth.tolist()}
        for number in (1, FRAMES):
            for kind, suffix in (("color", "jpg"), ("ir", "png")):
                path = sequence / kind / f"{number:08d}.{suffix}"
                image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                result[sequence.name][f"{kind} {number}"] = summary(image)
    return result
