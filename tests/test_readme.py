"""The README's examples run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import torch
from torch import nn
from training_material import write_set

from fusion_modules import FUSIONS
from rgbt_track.resources import names

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(word: str, language: str = "python") -> str:
    """The one code block that contains ``word``."""
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", README, re.S) if word in code]
    assert len(found) == 1, f"{len(found)} blocks with {word!r}"
    return found[0]


def namespace(word: str) -> dict[str, object]:
    names: dict[str, object] = {"torch": torch, "nn": nn}
    exec(block(word), names)
    return names


def test_the_convolutional_tracker() -> None:
    siamese = nn.Module()
    siamese.backbone = nn.Conv2d(3, 8, 3)
    siamese.neck = lambda x: [x, 2 * x, 3 * x]
    model = namespace("class RGBTSiamese")["RGBTSiamese"](siamese, channels=(8, 8, 8))  # type: ignore[operator]
    rgb, tir = torch.randn(2, 2, 3, 20, 20)
    levels = model.features(rgb, tir)
    assert [tuple(level.shape) for level in levels] == [(2, 8, 18, 18)] * 3
    mean = (siamese.backbone(rgb) + siamese.backbone(tir)) / 2
    torch.testing.assert_close(levels[1], 2 * mean)


def test_the_transformer_tracker() -> None:
    model = namespace("class RGBTHead")["RGBTHead"](nn.Identity(), channels=32, grid=(4, 6))  # type: ignore[operator]
    rgb, tir = torch.randn(2, 2, 24, 32)
    torch.testing.assert_close(model(rgb, tir), (rgb + tir) / 2)


def test_a_fusion_of_ones_own(tmp_path: Path) -> None:
    """Both files and the command, in a folder with nothing else, as the README has them."""
    (tmp_path / "my_fusions.py").write_text(block("class MaxFusion"))
    text = block("my_fusions:MaxFusion", "yaml")
    (tmp_path / "my_tracker.yaml").write_text(text)
    command = re.search(r"rgbt-track (track --tracker my_tracker.yaml) \.\.\.", text)
    assert command is not None
    write_set(tmp_path / "set", sequences=1, frames=2)
    sources = ["--rgb", "set/walk_0/color", "--tir", "set/walk_0/ir", "--box", "20,30,22,30"]
    script = Path(sysconfig.get_path("scripts")) / "rgbt-track"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [script, *command[1].split(), *sources, "--out", "boxes.txt"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "has no trained weights" in done.stderr
    assert len((tmp_path / "boxes.txt").read_text().splitlines()) == 2


def test_the_first_lines_are_the_two_commands() -> None:
    first = re.search(r"```bash\n(.*?)```", README, re.S)
    assert first is not None
    lines = [line.split("#")[0].strip() for line in first[1].splitlines()]
    assert lines == [
        'pip install ".[vot]" && rgbt-track demo',
        'pip install -e ".[test]" && pytest',
    ]


def test_the_table_of_fusions_is_whole() -> None:
    rows = re.findall(r"^\| (`.*?`) \| .* \| .* \|$", README, re.M)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(FUSIONS)


def test_data_sets_are_called_by_their_names() -> None:
    line = next(line for line in README.splitlines() if "vot workspace plain" in line)
    named = re.findall(r"\w+", line.split("# or ")[1])
    assert named and set(named) <= set(names("datasets"))
