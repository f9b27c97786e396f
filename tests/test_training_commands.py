from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from training_material import tiny_experiment, write_set
from typer.testing import CliRunner

from rgbt_track.cli import app
from rgbt_track.config.parsing import to_mapping
from rgbt_track.io.images import read_rgb

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


def invoke(*arguments: object) -> str:
    """What a command prints; errors come out as the exceptions that ``main`` turns into a line."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def experiment(root: Path) -> Path:
    values = to_mapping(tiny_experiment(root))
    values["training"]["sources"] = [{"lmdb": "packed.lmdb"}]
    path = root / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.filterwarnings("ignore")
def test_pack_show_and_train(
    root: Path, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = root / "packed.lmdb"
    said = invoke("data", "lmdb", "plain", packed, "--root", root, "--size", 160, "--workers", 0)
    assert "3 tracks, 18 crops" in said
    for dataset, where in ((packed, []), ("plain", ["--root", root])):
        sheet = tmp_path / "sheets" / "pairs.png"
        said = invoke(
            "data", "show", dataset, sheet, *where, "--experiment", experiment, "--rows", 2
        )
        assert "8 pairs" in said
        assert read_rgb(sheet).shape == (2 * (2 * 79 + 4), 4 * (47 + 79 + 4), 3)
    out = tmp_path / "a run"
    held_out = "training.validation=[{dataset: plain, sequences: [walk_2]}]"
    others = "training.sources=[{lmdb: packed.lmdb, exclude: [walk_2]}]"
    changes = ("training.epochs=1", others, held_out, "model.head_channels=12")
    said = invoke("train", experiment, *changes, "--out", out, "--accelerator", "cpu")
    assert f"weights: {out / 'weights.safetensors'}" in said
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert settings["training"]["epochs"] == 1
    uses = re.findall("^to use them: rgbt-track (.+)$", said, re.M)
    assert [line.split()[0] for line in uses] == ["track", "evaluate"]
    clip = root / "walk_0"
    track = uses[0].replace("--rgb SRC", f"--rgb {clip / 'color'}")
    track = track.replace("--tir SRC", f"--tir {clip / 'ir'}")
    boxes = ["--box", "20,30,22,30", "--out", tmp_path / "boxes.txt"]
    invoke(*shlex.split(track), *boxes)  # with 12 channels, which the experiment has not
    assert (tmp_path / "boxes.txt").is_file()
    monkeypatch.chdir(tmp_path)
    invoke(*shlex.split(uses[1]), "--no-plots")
    assert (tmp_path / "results" / "plain" / "a run" / "walk_2.txt").is_file()


def test_a_shipped_experiment_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such store: .*rgbt\.lmdb; make it with"):
        invoke("train", "lrrtrack_lite", f"training.root={tmp_path}", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_commands_refuse_what_does_not_exist(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="unknown name 'palin'"):
        invoke("data", "lmdb", "palin", tmp_path / "a.lmdb", "--root", root)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        invoke("data", "show", "plain", tmp_path / "a.png", "--root", tmp_path / "none")
    with pytest.raises(ValueError, match="quality 300"):
        invoke("data", "lmdb", "plain", tmp_path / "a.lmdb", "--root", root, "--quality", 300)


def test_a_device_that_is_not_there_is_one_line(root: Path, tmp_path: Path) -> None:
    experiment = root / "loose.yaml"
    experiment.write_text(yaml.safe_dump(to_mapping(tiny_experiment(root))))
    with pytest.raises(ValueError, match="--devices is 'two'; expected auto or a number"):
        invoke("train", experiment, "--out", tmp_path / "run", "--devices", "two")
    with pytest.raises(ValueError, match=r"refuses these settings|invalid accelerator"):
        invoke("train", experiment, "--out", tmp_path / "run", "--accelerator", "hpu")
