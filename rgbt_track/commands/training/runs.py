"""``rgbt-track runs``: the training runs of a folder, beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.io.images import check_image_name
from rgbt_track.io.paths import check_paths
from rgbt_track.io.tables import print_wide, to_csv, to_markdown, to_rich
from rgbt_track.resources import check_choice, require
from rgbt_track.training.runs import list_runs, runs_table


def runs(
    folder: Annotated[Path, typer.Argument(help="The folder of the runs.")] = Path("runs"),
    plot: Annotated[
        Path | None, typer.Option(help="A PNG with the curves of all runs (needs matplotlib).")
    ] = None,
    format: Annotated[str, typer.Option(help="Print as table, markdown or csv.")] = "table",
) -> None:
    """List training runs: epochs, best AO, last loss, date, and the settings that differ.

    A run can be used by its folder: `--tracker runs/NAME`.

    Example: `rgbt-track runs runs/ --plot runs.png`
    """
    check_choice("--format is", format, ("table", "markdown", "csv"))
    if plot is not None:
        require("plots", "matplotlib")
        check_image_name(plot)
        check_paths(inputs={}, files={"--plot": plot})
    found = list_runs(folder)
    table = runs_table(found)
    if format == "table":
        shown = to_rich(table)
        shown.columns[-1].justify = "left"  # text, unlike the others
        print_wide(shown)
    else:
        typer.echo(to_csv(table) if format == "csv" else to_markdown(table), nl=False)
    if plot is not None:
        from rgbt_track.training.run_curves import draw_runs  # matplotlib, heavy

        draw_runs(found, plot)
        typer.echo(f"curves in {plot}")
