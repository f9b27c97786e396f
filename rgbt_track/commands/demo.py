"""``rgbt-track demo``: from nothing to EAO, accuracy, robustness and a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import typer

_MARK = "demo.json"
_FRAME_SIZE = (320, 240)


def demo(
    out: Path = typer.Option(Path("rgbt-track-demo"), help="The folder to work in."),
    sequences: int = typer.Option(5, min=1, help="How many sequences to make."),
    frames: int = typer.Option(60, min=30, help="Frames per sequence."),
    seed: int = typer.Option(0, help="Another seed, other sequences."),
    tracker: str = typer.Option(None, help="A shipped name or a YAML file."),
    weights: Path = typer.Option(None, help="Weights instead of the tracker's own."),
) -> None:
    """Make a small RGB-T workspace and run the VOT toolkit's evaluation on it.

    Synthesizes sequences with their ground truth, builds a workspace, runs `vot evaluate`,
    `vot analysis` and `vot report`, prints the measures and where the report is. Run again, it
    makes the same sequences and evaluates anew.

    Example: `rgbt-track demo --sequences 3 --frames 60`
    """
    from rich.progress import Progress

    from rgbt_track.commands.vot.evaluate import run_toolkit, tracker_note
    from rgbt_track.data.open import open_dataset
    from rgbt_track.resources import default_tracker
    from rgbt_track.synthetic.dataset import synthesize_sequences
    from rgbt_track.vot.registry import tracker_section
    from rgbt_track.vot.toolkit import check_toolkit
    from rgbt_track.vot.workspace import build_workspace, check_path

    check_toolkit()
    check_path(out)
    chosen = tracker or default_tracker()
    name, section = tracker_section(chosen, weights)
    typer.echo(f"tracker {section['label']}: {tracker_note(chosen)}")
    claim_folder(out, {"sequences": sequences, "frames": frames, "seed": seed})
    with Progress() as progress:
        task = progress.add_task("making RGB-T sequences", total=sequences)
        synthesize_sequences(
            out / "data",
            sequences,
            frames,
            _FRAME_SIZE,
            seed,
            on_progress=lambda done, total: progress.update(task, completed=done),
        )
        task = progress.add_task("building the workspace", total=sequences)
        built = build_workspace(
            open_dataset("plain", out / "data"),
            out / "workspace",
            trackers={name: section},
            on_progress=lambda done, total: progress.update(task, completed=done),
        )
    typer.echo(f"synthetic: {built}")
    # Always anew: results of an earlier run may be those of another version of the tracker.
    run_toolkit(out / "workspace", [name], force=True)
    typer.echo(f"workspace for the vot command: {out / 'workspace'}")


def claim_folder(out: Path, settings: dict[str, int]) -> None:
    """Make the demo's folder, or empty what an earlier demo with other settings left in it.

    Raises ``ValueError`` for a folder with anything in it that no demo made.
    """
    from rgbt_track import __version__
    from rgbt_track.io.files import write_text

    mark = json.dumps({**settings, "version": __version__}) + "\n"
    file = out / _MARK
    if out.is_dir() and any(out.iterdir()) and not file.is_file():
        raise ValueError(f"{out} holds something that no demo made: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    if file.is_file() and file.read_text(encoding="utf-8") != mark:
        for folder in ("data", "workspace"):
            shutil.rmtree(out / folder, ignore_errors=True)
    write_text(file, mark)
