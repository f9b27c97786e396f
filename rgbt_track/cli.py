"""The ``rgbt-track`` command: names its commands and turns a user's fault into one line.

A command's module is imported when the command runs, so that ``rgbt-track --help`` loads neither
torch nor OpenCV.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from rgbt_track import __version__
from rgbt_track.environment import print_plain_warnings, wait_passively
from rgbt_track.processes import Stopped, exit_status, stop_on_sigterm
from rgbt_track.resources import missing_line

_SETTINGS: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "add_completion": False,
}


class LazyCommand(TyperCommand):
    """A command's name and first line, which listings show; ``load`` imports the command itself."""

    def __init__(self, name: str, target: str, line: str):
        super().__init__(name, help=line)
        self.target = target

    def load(self) -> Any:
        """The command behind ``module:function``."""
        module, _, function = self.target.partition(":")
        single = typer.Typer(**_SETTINGS)
        single.command(self.name)(getattr(importlib.import_module(module), function))
        return typer.main.get_command(single)


class LazyGroup(TyperGroup):
    """A group whose own commands are imported one at a time, by the one that runs."""

    lazy: ClassVar[dict[str, tuple[str, str]]] = {}  # name -> "module:function", first line

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        own = {name: LazyCommand(name, *where) for name, where in self.lazy.items()}
        self.commands = {**own, **self.commands}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As any group, but a command that is about to run is loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest


class Commands(LazyGroup):
    """``rgbt-track COMMAND``."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C and SIGTERM end it with one line and the status of the signal."""
        try:
            with stop_on_sigterm():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            name = "terminated" if isinstance(error, Stopped) else "interrupted"
            typer.echo(f"{name}; what is done is kept: the same command goes on", err=True)
            raise typer.Exit(exit_status(error)) from None

    lazy: ClassVar = {
        "demo": (
            "rgbt_track.commands.demo:demo",
            "Make a small RGB-T workspace and run the VOT toolkit's evaluation on it.",
        ),
        "track": (
            "rgbt_track.commands.track:track",
            "Follow one target, or several at once, through visible and thermal frames.",
        ),
        "register": (
            "rgbt_track.commands.register:register",
            "Find the homography between two fixed cameras, and show how well it fits.",
        ),
        "train": (
            "rgbt_track.commands.train:train",
            "Train a tracker or an image-fusion network; under torchrun or SLURM on many machines.",
        ),
        "runs": (
            "rgbt_track.commands.training.runs:runs",
            "List training runs: epochs, best AO, last loss, date, and the settings that differ.",
        ),
        "tune": (
            "rgbt_track.commands.tune:tune",
            "Search a tracker's settings for the highest mean AO on validation sequences.",
        ),
        "evaluate": (
            "rgbt_track.commands.evaluate:evaluate",
            "Run a tracker over a data set, one pass, and score it.",
        ),
        "score": (
            "rgbt_track.commands.score:score",
            "Score result files of any trackers by a benchmark's own rules.",
        ),
        "export": (
            "rgbt_track.commands.export:export",
            "Write a tracker for ONNX Runtime, OpenVINO or another machine's torch.",
        ),
        "robustness": (
            "rgbt_track.commands.robustness:robustness",
            "Measure how a tracker's AO falls as a modality is lost, shifted or noisy.",
        ),
        "failures": (
            "rgbt_track.commands.failures:failures",
            "Show where a tracker fails: both modalities, ground truth green, prediction red.",
        ),
        "fuse": (
            "rgbt_track.commands.fuse:fuse",
            "Fuse a visible and a thermal image, folder, video or camera.",
        ),
        "fuse-ablation": (
            "rgbt_track.commands.fuse_ablation:fuse_ablation",
            "Train variants on a folder of pairs and print a table like LRRNet's Tables 3 and 4.",
        ),
        "fuse-table": (
            "rgbt_track.commands.fuse_table:fuse_table",
            "Compare image-fusion networks: parameters, time, and metrics over the same pairs.",
        ),
        "serve": (
            "rgbt_track.commands.serve:serve",
            "Follow targets in a browser: a page for two files, or for a built-in sequence.",
        ),
        "info": (
            "rgbt_track.commands.info:info",
            "Print versions, devices and shipped networks, or all about one of them.",
        ),
    }


class DataCommands(LazyGroup):
    """``rgbt-track data COMMAND``."""

    lazy: ClassVar = {
        "check": (
            "rgbt_track.commands.data.check:data_check",
            "Check counts, lengths, images and boxes of a data set; exit 1 when anything is wrong.",
        ),
        "lmdb": (
            "rgbt_track.commands.data.lmdb:data_lmdb",
            "Pack crops around the targets of a data set; an interrupted packing is resumed.",
        ),
        "pseudo-label": (
            "rgbt_track.commands.data.pseudo_label:data_pseudo_label",
            "Track through video without boxes, and keep what agrees forward and backward.",
        ),
        "show": (
            "rgbt_track.commands.data.show:data_show",
            "Draw training pairs and boxes: visible above, thermal below, template left of search.",
        ),
        "synthesize": (
            "rgbt_track.commands.data.synthesize:data_synthesize",
            "Draw synthetic RGB-T sequences in the plain layout (color/, ir/, groundtruth.txt).",
        ),
    }


class VotCommands(LazyGroup):
    """``rgbt-track vot COMMAND``."""

    lazy: ClassVar = {
        "workspace": (
            "rgbt_track.commands.vot.workspace:vot_workspace",
            "Build a VOT workspace: sequences with anchors, a stack, and the trackers.",
        ),
        "evaluate": (
            "rgbt_track.commands.vot.evaluate:vot_evaluate",
            "Evaluate trackers in a workspace: run what is missing, analyse, report, print.",
        ),
        "table": (
            "rgbt_track.commands.vot.table:vot_table",
            "Evaluate the systems of LRRNet's Table 8 and print them beside the published rows.",
        ),
    }


class WeightsCommands(LazyGroup):
    """``rgbt-track weights COMMAND``; without one, ``list``."""

    lazy: ClassVar = {
        "list": (
            "rgbt_track.commands.weights.list:list_weights",
            "List the weights that ship, and those that others have published and you can fetch.",
        ),
        "check": (
            "rgbt_track.commands.weights.check:check_weights",
            "Check a weights file against the list, and against the digest inside of it.",
        ),
        "convert": (
            "rgbt_track.commands.weights.convert:convert_weights",
            "Convert weights to one .safetensors file with their network and settings inside.",
        ),
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``rgbt-track weights`` alone lists."""
        return super().parse_args(ctx, args or ["list"])


app = typer.Typer(
    cls=Commands,
    help="RGB-T (visible + thermal) single-object tracking with learned low-rank fusion.",
    no_args_is_help=True,
    **_SETTINGS,
)
data = typer.Typer(cls=DataCommands, help="Data sets: check and make them.", no_args_is_help=True)
vot = typer.Typer(
    cls=VotCommands, help="The VOT toolkit: workspaces and evaluation.", no_args_is_help=True
)
weights = typer.Typer(
    cls=WeightsCommands, help="Weights: list, check and convert them.", no_args_is_help=True
)
app.add_typer(data, name="data")
app.add_typer(vot, name="vot")
app.add_typer(weights, name="weights")


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        typer.echo(f"rgbt-track {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; whatever goes wrong prints one line and exits with 1.

    The user's fault (a file, a setting, a path) is named by itself; a fault of ours is said to be
    one. ``RGBT_TRACK_DEBUG=1`` shows the traceback instead.
    """
    wait_passively()
    print_plain_warnings()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be UTF-8
            stream.reconfigure(errors="backslashreplace")
    # What OpenCV and its codecs say of a bad file, in many lines, comes before our one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        app()
    except Exception as error:
        if os.environ.get("RGBT_TRACK_DEBUG"):
            raise
        print(f"error: {_fault_line(error)}", file=sys.stderr)
        sys.exit(1)


def _fault_line(error: Exception) -> str:
    line = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and "rgbt-track[" not in line:
        return missing_line(error.name or "") or line
    if isinstance(error, (ValueError, OSError, ModuleNotFoundError)):
        return line or type(error).__name__
    if isinstance(error, MemoryError):
        return f"not enough memory{f': {line}' if line else ''}"
    return (
        f"internal: {type(error).__name__}: {line or 'no message'}; please report it with the "
        "traceback that RGBT_TRACK_DEBUG=1 shows"
    )
