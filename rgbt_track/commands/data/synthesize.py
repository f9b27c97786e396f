"""``rgbt-track data synthesize``: RGB-T sequences with exact ground truth, without input data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import progress_bar
from rgbt_track.synthetic.dataset import synthesize_sequences

_SMALLEST, _LARGEST = 32, 8192


def data_synthesize(
    out: Annotated[Path, typer.Argument(help="Folder for the sequences; created if missing.")],
    count: Annotated[
        int, typer.Option(min=1, max=100_000, help="Sequences; each has one challenge, in turn.")
    ] = 11,
    frames: Annotated[int, typer.Option(min=1, max=1_000_000, help="Frames per sequence.")] = 120,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "320x240",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
) -> None:
    """Draw synthetic RGB-T sequences in the plain layout (color/, ir/, groundtruth.txt).

    Night, smoke, thermal crossover, occlusion, look-alikes and camera motion come and go, one
    challenge per sequence and named after it. An interrupted run is resumed.

    Example: `rgbt-track data synthesize scenes --count 4 --frames 60`
    """
    with progress_bar("drawing") as on_progress:
        folders = synthesize_sequences(out, count, frames, _parse_size(size), seed, on_progress)
    typer.echo(f"{len(folders)} sequences of {frames} frames in {out}")


def _parse_size(text: str) -> tuple[int, int]:
    width, separator, height = text.lower().partition("x")
    if not (separator and width.strip().isdecimal() and height.strip().isdecimal()):
        raise ValueError(
            f"--size {text!r} is not a size; write width x height, for example 320x240"
        )
    size = int(width), int(height)
    if not all(_SMALLEST <= side <= _LARGEST for side in size):
        raise ValueError(f"--size {text!r}: sides must be {_SMALLEST} to {_LARGEST} pixels")
    return size
