"""``rgbt-track vot table``: LRRNet's Table 8 in a workspace, the published rows beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from rgbt_track.commands.options import Force
from rgbt_track.commands.vot.evaluate import progress_step, toolkit_progress, warn_about_eao
from rgbt_track.io.files import write_text
from rgbt_track.io.tables import print_wide, to_csv, to_markdown, to_rich
from rgbt_track.resources import check_choice
from rgbt_track.vot import toolkit
from rgbt_track.vot.paper_table import PAPER_TRACKERS, paper_table
from rgbt_track.vot.published import VOTScore
from rgbt_track.vot.registry import check_tracker, tracker_label, tracker_section, write_registry

_WRITERS = {".csv": to_csv, ".md": to_markdown}


def vot_table(
    workspace: Annotated[Path, typer.Argument(help="A folder made by `rgbt-track vot workspace`.")],
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="A row: a section of trackers.ini; may be repeated. Default: Table 8's."),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE, weights for a row; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table to a .csv or .md file.")] = None,
    force: Force = False,
) -> None:
    """Evaluate the systems of LRRNet's Table 8 and print them beside the published rows.

    The published rows stand there only where they are comparable: on the 60 sequences of
    VOT2020-RGBT with its own stack, vot2020/rgbtir.

    What is missing is run, what is there is kept; trackers that the workspace lacks are added to
    its trackers.ini. A row without weights is untrained and says so; a tracker that fails leaves
    its row empty, and the others go on.

    Example: `rgbt-track vot table my_workspace --weights dfat=runs/dfat/weights.safetensors`
    """
    if out is not None and out.suffix not in _WRITERS:
        raise ValueError(f"--out is {out}; expected a file .csv or .md")
    workspace = toolkit.check_workspace(workspace)
    registry = workspace / "trackers.ini"
    names = list(dict.fromkeys(tracker or PAPER_TRACKERS))
    files = _weights(weights or [], names)
    sections = [tracker_section(name, files.get(name)) for name in names if name in PAPER_TRACKERS]
    write_registry(registry, dict(sections), replace=files)
    for name in names:
        check_tracker(registry, name)
    labels = {name: tracker_label(registry, name) for name in names}
    measured, failures = _measure(workspace, names, force)
    comparable = toolkit.is_vot_rgbt2020(workspace)
    table = paper_table(measured, labels, published=comparable)
    if not comparable:
        typer.echo(
            "published rows are left out: they belong to the 60 sequences of VOT2020-RGBT and the "
            "stack vot2020/rgbtir"
        )
    print_wide(to_rich(table))
    warn_about_eao(toolkit.highest_eao(workspace))
    if out is not None:
        write_text(out, _WRITERS[out.suffix](table))
        typer.echo(f"table in {out}")
    if failures:
        raise ValueError("; ".join(failures))


def _weights(settings: Iterable[str], names: Sequence[str]) -> dict[str, Path]:
    """``NAME=FILE`` by name; ``ValueError`` for another form, or a row that is not of the table."""
    files = {}
    for setting in settings:
        name, equals, file = setting.partition("=")
        if not equals or not file:
            raise ValueError(f"--weights is {setting!r}; expected NAME=FILE")
        check_choice("--weights for no row of the table:", name, names)
        check_choice("--weights for another tracker than Table 8's:", name, PAPER_TRACKERS)
        files[name] = Path(file)
    return files


def _measure(
    workspace: Path, names: Sequence[str], force: bool
) -> tuple[dict[str, VOTScore | None], list[str]]:
    """The scores of each tracker alone, since one that fails would take all others with it.

    Also what kept trackers from being run; one that loses every target has no scores, and is not
    among them.
    """
    measured: dict[str, VOTScore | None] = dict.fromkeys(names)
    reasons, failures = [], []
    with toolkit_progress() as progress:
        for name in names:
            with progress_step(progress, f"vot evaluate {name}") as update:
                try:
                    toolkit.evaluate(workspace, name, force=force, on_progress=update)
                except ValueError as error:
                    failures.append(str(error))
                    continue
            with progress_step(progress, f"vot analysis {name}"):
                try:
                    score = toolkit.analyse(workspace, [name])[0]
                    measured[name] = VOTScore(score.eao, score.accuracy, score.robustness)
                except ValueError as error:
                    reasons.append(f"{name} has no scores: {error}")
    for reason in reasons:
        typer.echo(reason, err=True)
    return measured, failures
