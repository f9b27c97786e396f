"""``rgbt-track demo``: synthesize sequences, evaluate a tracker on them and write a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track import __version__
from rgbt_track.commands.common import progress_bar, tracker_and_weights
from rgbt_track.commands.options import TrackerName, WeightsFile
from rgbt_track.commands.vot.evaluate import run_toolkit, tracker_note
from rgbt_track.data.open import open_dataset
from rgbt_track.io.files import write_text
from rgbt_track.synthetic.dataset import synthesize_sequences
from rgbt_track.vot.registry import tracker_section
from rgbt_track.vot.toolkit import check_toolkit
from rgbt_track.vot.workspace import build_workspace, check_path

_SETTINGS_FILE = "demo.json"
_FRAME_SIZE = (320, 240)


def demo(
    out: Annotated[Path, typer.Option(help="The folder to work in.")] = Path("rgbt-track-demo"),
    sequences: Annotated[int, typer.Option(min=1, help="How many sequences to make.")] = 5,
    frames: Annotated[int, typer.Option(min=30, help="Frames per sequence.")] = 60,
    seed: Annotated[int, typer.Option(help="Another seed, other sequences.")] = 0,
    tracker: TrackerName = None,
    weights: WeightsFile = None,
) -> None:
    """Make a small RGB-T workspace and run the VOT toolkit's evaluation on it.

    Synthesizes sequences with their ground truth, builds a workspace, runs `vot evaluate`,
    `vot analysis` and `vot report`, prints the measures and where the report is. Run again, it
    makes the same sequences and evaluates anew.

    Example: `rgbt-track demo --sequences 3 --frames 60`
    """
    check_toolkit()
    check_path(out)
    tracker_name, file = tracker_and_weights(tracker, weights)
    name, section = tracker_section(tracker_name, file)
    typer.echo(f"tracker {section['label']}: {tracker_note(tracker_name)}")
    claim_folder(out, {"sequences": sequences, "frames": frames, "seed": seed})
    with progress_bar("making RGB-T sequences") as on_progress:
        synthesize_sequences(out / "data", sequences, frames, _FRAME_SIZE, seed, on_progress)
    with progress_bar("building the workspace") as on_progress:
        summary = build_workspace(
            open_dataset("plain", out / "data"),
            out / "workspace",
            trackers={name: section},
            on_progress=on_progress,
        )
    typer.echo(f"synthetic: {summary}")
    # Always anew: results of an earlier run may be those of another version of the tracker.
    run_toolkit(out / "workspace", [name], force=True)
    typer.echo(f"workspace for the vot command: {out / 'workspace'}")


def claim_folder(out: Path, settings: dict[str, int]) -> None:
    """Make the demo's folder, or empty what an earlier demo with other settings left in it.

    Raises ``ValueError`` for a folder with anything in it that no demo made.
    """
    text = json.dumps({**settings, "version": __version__}) + "\n"
    file = out / _SETTINGS_FILE
    if out.is_dir() and any(out.iterdir()) and not file.is_file():
        raise ValueError(f"{out} holds something that no demo made: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        for folder in ("data", "workspace"):
            shutil.rmtree(out / folder, ignore_errors=True)
    write_text(file, text)
