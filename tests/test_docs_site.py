"""The docs site builds without a warning; the notebook and the examples in it run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from PIL import Image

from fusion_modules import create_fusion
from rgbt_track.commands.serve import trained_trackers
from rgbt_track.config.experiments import experiment_names
from rgbt_track.resources import WEIGHTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FUSION = (DOCS / "fusion_in_your_tracker.md").read_text(encoding="utf-8")


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="training.html"' in home and "tracking.gif" in home
    # A link out of docs/ leads to a page of the site, one to a file to the file.
    zoo = (tmp_path / "model_zoo.html").read_text(encoding="utf-8")
    assert 'href="repository/rgbt_track/weights/lrrtrack_small.html"' in zoo
    assert (tmp_path / "repository" / "rgbt_track" / "weights" / "lrrtrack_small.html").is_file()
    assert (tmp_path / "quick_start.ipynb").is_file()
    api = (tmp_path / "api.html").read_text(encoding="utf-8")
    for name in ("rgbt_track.load_tracker", "fusion_modules.tokens.TokenFusion"):
        assert f'id="{name}"' in api
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', home)
    assert not loaded
    # Every document has its place in the list of pages.
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages and all(f'href="{name}.html"' in home for name in pages)


def test_the_notebook_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = json.loads((DOCS / "quick_start.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert 0.5 < names["mean_overlap"] < 1
    assert names["fused"].image.shape == (240, 320, 3)
    assert names["scores"]["PR"] > 0.5


def example(word: str) -> dict[str, Any]:
    (code,) = [text for text in re.findall(r"```python\n(.*?)```", FUSION, re.S) if word in text]
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_the_example_shaped_like_siamcar() -> None:
    """At first the mean of both modalities; with a trained fusion, gradients to both."""
    torch.manual_seed(0)
    names = example("class RGBTSiamCAR")
    single = names["SiamCAR"](channels=8)
    model = names["RGBTSiamCAR"](single, channels=8)
    template, search = torch.randn(2, 2, 3, 56, 56), torch.randn(2, 2, 3, 120, 120)
    classes, center, sides = model(tuple(template), tuple(search))
    assert classes.shape == (2, 2, 9, 9) and center.shape == (2, 1, 9, 9) and (sides > 0).all()
    same = model((template[0], template[0]), (search[0], search[0]))
    alone = single.answer(single.extract(template[0]), single.extract(search[0]))
    torch.testing.assert_close(same, alone)


def test_the_example_shaped_like_ostrack() -> None:
    torch.manual_seed(0)
    names = example("class RGBTOSTrack")
    single = names["OSTrack"](channels=16, depth=2, heads=2, template=2, search=4).eval()
    model = names["RGBTOSTrack"](single, channels=16).eval()
    template, search = torch.randn(2, 2, 3, 32, 32), torch.randn(2, 2, 3, 64, 64)
    answer = model(tuple(template), tuple(search))
    assert answer.shape == (2, 5, 4, 4)
    tokens = [single.tokens(*pair) for pair in zip(template, search, strict=True)]
    torch.testing.assert_close(answer, single.answer((tokens[0] + tokens[1]) / 2))
    assert "llrr_light" in FUSION and create_fusion("llrr_light", channels=16)


def test_the_zoo_names_what_ships() -> None:
    zoo = (DOCS / "model_zoo.md").read_text(encoding="utf-8")
    for file in WEIGHTS.glob("*.safetensors"):
        assert f"weights/{file.stem}.md)" in zoo
    assert all(f"`{name}`" in zoo for name in [*experiment_names("tracking"), *trained_trackers()])


def test_the_picture_of_the_readme_is_small() -> None:
    path = DOCS / "tracking.gif"
    assert path.stat().st_size < 1_000_000
    with Image.open(path) as image:
        assert image.n_frames > 10 and image.size[0] >= 400  # type: ignore[attr-defined]
