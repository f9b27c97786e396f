"""``rgbt-track vot workspace``: any RGB-T data set as a workspace of the VOT toolkit."""

from __future__ import annotations

from pathlib import Path

import typer


def vot_workspace(
    dataset: str = typer.Argument(..., help="A data set's name, or the YAML that describes it."),
    out: Path = typer.Argument(..., help="The workspace's folder."),
    root: Path = typer.Option(..., help="Where the data set lies."),
    split: str = typer.Option(None, help="A part of the data set, for instance test."),
    stack: str = typer.Option(
        "auto",
        help="auto: every frame, EAO over an interval that suits the lengths; "
        "vot2020/rgbtir or vot2019/rgbtir: the challenge's own, 115..755 frames, in real time.",
    ),
    tracker: list[str] = typer.Option([], help="One more tracker: a name or a YAML file."),
    weights: Path = typer.Option(None, help="Weights for the --tracker."),
    device: str = typer.Option(None, help="Where the --tracker runs: cpu, cuda, mps."),
    fps: int = typer.Option(
        30, min=1, help="The videos' frame rate, the time limit of real-time runs."
    ),
    interpolate: int = typer.Option(
        0, min=0, help="Fill so many unlabelled frames between two labels: 9 for VTUAV."
    ),
    copy: bool = typer.Option(False, help="Copy the images instead of linking them."),
) -> None:
    """Build a VOT workspace: sequences with anchors, a stack, and the trackers.

    All shipped trackers are in it. A build that was interrupted goes on where it stopped.

    Example: `rgbt-track vot workspace plain --root my_videos my_workspace`
    """
    from rich.progress import Progress

    from rgbt_track.data.open import open_dataset
    from rgbt_track.vot.registry import tracker_section
    from rgbt_track.vot.workspace import build_workspace

    if (weights or device) and len(tracker) != 1:
        raise ValueError("--weights and --device belong to one --tracker: name it")
    chosen = dict(tracker_section(name, weights, device) for name in tracker)
    sequences = open_dataset(dataset, root, split)
    with Progress(transient=True) as progress:
        task = progress.add_task("sequences", total=len(sequences))
        built = build_workspace(
            sequences,
            out,
            stack=stack,
            trackers=chosen,
            fps=fps,
            interpolate=interpolate,
            copy=copy,
            on_progress=lambda done, total: progress.update(task, completed=done),
        )
    typer.echo(f"{out}: {built}")
    name = next(iter(chosen), None)
    typer.echo(f"next: rgbt-track vot evaluate {out}" + (f" --tracker {name}" if name else ""))
