"""``rgbt-track vot workspace``: any RGB-T data set as a workspace of the VOT toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import progress_bar
from rgbt_track.commands.options import (
    DatasetName,
    EngineName,
    PrecisionName,
    RootFolder,
    SplitName,
)
from rgbt_track.data.open import open_dataset
from rgbt_track.io.paths import check_distinct, check_paths
from rgbt_track.vot.registry import tracker_section
from rgbt_track.vot.workspace import build_workspace

_STACK_HELP = (
    "auto: every frame, EAO over an interval that suits the lengths; "
    "vot2020/rgbtir or vot2019/rgbtir: the challenge's own, 115..755 frames, in real time."
)


def vot_workspace(
    dataset: DatasetName,
    out: Annotated[Path, typer.Argument(help="The workspace's folder.")],
    root: RootFolder,
    split: SplitName = None,
    stack: Annotated[str, typer.Option(help=_STACK_HELP)] = "auto",
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="One more tracker: a name, a YAML, a weights file or a run."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights for the --tracker, or one by themselves.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where the --tracker runs: cpu, cuda, mps.")
    ] = None,
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    fps: Annotated[
        int, typer.Option(min=1, help="The videos' frame rate, the time limit of real-time runs.")
    ] = 30,
    interpolate: Annotated[
        int,
        typer.Option(min=0, help="Fill so many unlabelled frames between two labels: 9 for VTUAV."),
    ] = 0,
    copy: Annotated[bool, typer.Option(help="Copy the images instead of linking them.")] = False,
) -> None:
    """Build a VOT workspace: sequences with anchors, a stack, and the trackers.

    All shipped trackers are in it. An interrupted build is resumed.

    Example: `rgbt-track vot workspace plain --root my_videos my_workspace`
    """
    trackers = tracker or []
    if weights is not None and not trackers:  # they say themselves what they are of
        trackers, weights = [str(weights)], None
    special = weights or device or (engine, precision) != ("auto", "fp32")
    if special and len(trackers) != 1:
        raise ValueError(
            "--weights, --device, --engine and --precision belong to one --tracker: name it"
        )
    check_paths(inputs={"--root": root, "--weights": weights}, folders={"OUT": out})
    named = [tracker_section(name, weights, device, engine, precision) for name in trackers]
    check_distinct(
        "its results",
        ((key, f"--tracker {name}") for (key, _), name in zip(named, trackers, strict=True)),
    )
    sections = dict(named)
    sequences = open_dataset(dataset, root, split)
    with progress_bar("sequences") as on_progress:
        summary = build_workspace(
            sequences,
            out,
            stack=stack,
            trackers=sections,
            fps=fps,
            interpolate=interpolate,
            copy=copy,
            on_progress=on_progress,
        )
    typer.echo(f"{out}: {summary}")
    name = next(iter(sections), None)
    typer.echo(f"next: rgbt-track vot evaluate {out}" + (f" --tracker {name}" if name else ""))
