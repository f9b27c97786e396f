"""The command line lists its commands without loading them, and lists them as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rgbt_track.cli import Commands, DataCommands, LazyCommand, VotCommands, WeightsCommands, app

GROUPS = {
    "": Commands,
    "data": DataCommands,
    "vot": VotCommands,
    "weights": WeightsCommands,
}
COMMANDS = [(group, name) for group, of in GROUPS.items() for name in of.lazy]
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_a_command_is_listed_with_its_own_first_line(group: str, name: str) -> None:
    target, line = GROUPS[group].lazy[name]
    command = LazyCommand(name, target, line).load()
    assert " ".join(command.help.split("\n\n")[0].split()) == line
    assert "Example: `rgbt-track " in command.help


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_every_command_shows_its_options(group: str, name: str) -> None:
    shown = CliRunner().invoke(app, [*group.split(), name, "--help"])
    assert shown.exit_code == 0 and "--help" in shown.output
    assert f"rgbt-track {group} {name}".replace("  ", " ") in " ".join(shown.output.split())


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--help"], ["vot", "--help"]])
def test_help_loads_no_command(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom rgbt_track.cli import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        "loaded = [name for name in sys.modules if name.startswith('rgbt_track.commands')]\n"
        "assert not loaded, loaded\n"
        "assert not {'torch', 'cv2', 'numpy', 'yaml'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_is_refused_with_the_nearest() -> None:
    shown = CliRunner().invoke(app, ["trak"])
    assert shown.exit_code == 2 and "No such command" in shown.output
