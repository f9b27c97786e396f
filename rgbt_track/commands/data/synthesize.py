"""``rgbt-track data synthesize``: RGB-T sequences with exact ground truth out of nothing."""

from __future__ import annotations

from pathlib import Path

import typer


def data_synthesize(
    out: Path = typer.Argument(help="Folder for the sequences; made if it is not there."),
    count: int = typer.Option(11, min=1, help="Sequences; each has one challenge, in turn."),
    frames: int = typer.Option(120, min=1, help="Frames per sequence."),
    size: str = typer.Option("320x240", help="Width x height in pixels."),
    seed: int = typer.Option(0, min=0, help="The same seed gives the same bytes."),
) -> None:
    """Draw synthetic RGB-T sequences in the plain layout (color/, ir/, groundtruth.txt).

    Night, smoke, thermal crossover, occlusion, look-alikes and camera motion come and go, one
    challenge per sequence and named after it. An interrupted run goes on where it stopped.

    Example: `rgbt-track data synthesize scenes --count 4 --frames 60`
    """
    from rich.console import Console
    from rich.progress import Progress

    from rgbt_track.synthetic.dataset import synthesize_sequences

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing", total=count)
        folders = synthesize_sequences(
            out,
            count,
            frames,
            _parse_size(size),
            seed,
            lambda done, total: progress.update(task, completed=done),
        )
    typer.echo(f"{len(folders)} sequences of {frames} frames in {out}")


def _parse_size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.strip().isdecimal() and height.strip().isdecimal()):
        raise ValueError(
            f"--size {text!r} is not a size; write width x height, for example 320x240"
        )
    return int(width), int(height)
