"""``rgbt-track failures``: the worst sequences and frames of a tracker as one image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.common import frame_folders
from rgbt_track.commands.options import DatasetName, EvaluationSplitName, RootFolder
from rgbt_track.evaluation.ground_truth import open_evaluation_set
from rgbt_track.evaluation.report.failures import failure_contact_sheet, worst_sequences
from rgbt_track.evaluation.result_files import tracker_folders
from rgbt_track.io.images import check_image_name, write_image
from rgbt_track.io.paths import check_paths


def failures(
    dataset: DatasetName,
    root: RootFolder,
    results: Annotated[Path, typer.Option(help="The folder of one tracker's result files.")],
    split: EvaluationSplitName = None,
    sequences: Annotated[int, typer.Option(min=1, help="How many of the worst sequences.")] = 5,
    frames: Annotated[int, typer.Option(min=1, help="How many frames of each.")] = 6,
    out: Annotated[Path, typer.Option(help="The image to write, PNG or JPEG.")] = Path(
        "failures.png"
    ),
) -> None:
    """Show where a tracker fails: both modalities, ground truth green, prediction red.

    Example: `rgbt-track failures plain --root sequences/ --results results/plain/lrrtrack_lite`
    """
    check_image_name(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    data = open_evaluation_set(dataset, root, "generic", split)
    check_paths(inputs=frame_folders(data.sequences.values()), files={"--out": out})
    folders = tracker_folders(results, data.sequences)
    if len(folders) > 1:
        raise ValueError(
            f"{results}: holds {len(folders)} trackers: {', '.join(folders)}; give one"
        )
    worst = worst_sequences(data, next(iter(folders.values())), sequences)
    sheet = failure_contact_sheet(worst, frames)
    write_image(out, sheet)
    for failure in worst:
        typer.echo(failure.caption)
    typer.echo(f"image in {out}")
