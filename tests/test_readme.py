"""The README's examples run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from torch import nn

from fusion_modules import FUSIONS
from rgbt_track.config.tracker import load_config
from rgbt_track.models.build import build_network
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


def test_a_fusion_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_fusions")
    exec(block("class MaxFusion"), module.__dict__)
    monkeypatch.setitem(sys.modules, "my_fusions", module)
    text = block("my_fusions:MaxFusion", "yaml")
    settings = yaml.safe_load(text)
    settings["model"] |= {"backbone": "lite", "neck_channels": 16, "head_channels": 16}
    path = tmp_path / "my_tracker.yaml"
    path.write_text(yaml.safe_dump(settings))
    network = build_network(load_config(path).model, seed=0)
    assert type(network.fusion.levels[0]).__name__ == "MaxFusion"  # type: ignore[union-attr, index]
    network.eval()
    crops = {name: torch.rand(1, 3, 127, 127) * 255 for name in ("rgb", "tir")}
    levels = network.template_levels(crops)
    torch.testing.assert_close(
        levels["fused"][0], torch.maximum(levels["rgb"][0], levels["tir"][0])
    )


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
