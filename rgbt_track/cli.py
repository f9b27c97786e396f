"""The ``rgbt-track`` command: registers the commands and turns a user's fault into one line."""

from __future__ import annotations

import os
import sys

import typer

from rgbt_track import __version__
from rgbt_track.commands import (
    demo,
    evaluate,
    failures,
    fuse,
    fuse_ablation,
    info,
    robustness,
    score,
    track,
    train,
)
from rgbt_track.commands.data import (
    check as data_check,
)
from rgbt_track.commands.data import (
    lmdb as data_lmdb,
)
from rgbt_track.commands.data import (
    show as data_show,
)
from rgbt_track.commands.data import (
    synthesize as data_synthesize,
)
from rgbt_track.commands.vot import evaluate as vot_evaluate
from rgbt_track.commands.vot import workspace as vot_workspace
from rgbt_track.environment import wait_passively

app = typer.Typer(
    help="RGB-T (visible + thermal) single-object tracking with learned low-rank fusion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
data = typer.Typer(help="Data sets: check and make them.", no_args_is_help=True)
vot = typer.Typer(help="The VOT toolkit: workspaces and evaluation.", no_args_is_help=True)

app.command("demo")(demo.demo)
app.command("track")(track.track)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("score")(score.score)
app.command("robustness")(robustness.robustness)
app.command("failures")(failures.failures)
app.command("fuse")(fuse.fuse)
app.command("fuse-ablation")(fuse_ablation.fuse_ablation)
app.command("info")(info.info)
app.add_typer(data, name="data")
data.command("check")(data_check.data_check)
data.command("lmdb")(data_lmdb.data_lmdb)
data.command("show")(data_show.data_show)
data.command("synthesize")(data_synthesize.data_synthesize)
app.add_typer(vot, name="vot")
vot.command("workspace")(vot_workspace.vot_workspace)
vot.command("evaluate")(vot_evaluate.vot_evaluate)


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        typer.echo(f"rgbt-track {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a user's fault prints one line and exits with 1.

    ``RGBT_TRACK_DEBUG=1`` shows the traceback instead.
    """
    wait_passively()
    # What OpenCV and its codecs say of a bad file, in many lines, comes before our one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        app()
    except (ValueError, OSError, ModuleNotFoundError) as error:
        if os.environ.get("RGBT_TRACK_DEBUG"):
            raise
        line = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
