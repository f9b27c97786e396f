"""The lines that a training ends with; ``test_training_commands.py`` types them."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

import pytest
from training_material import tiny_experiment

from rgbt_track.commands.training.next_steps import resume_command, use_commands
from rgbt_track.config.image_fusion import load_image_experiment
from rgbt_track.config.tracker import Config


def with_fusion(config: Config, name: str) -> Config:
    return dataclasses.replace(config, model=dataclasses.replace(config.model, fusion=name))


def test_a_run_is_used_by_its_folder_with_the_data_it_was_validated_on(tmp_path: Path) -> None:
    validation = [
        {"dataset": "plain", "folder": "a b", "sequences": ["walk"], "split": "val"},
        {"dataset": "plain", "left_out": 40},  # which evaluate cannot name
        {"dataset": "plain", "sequences": ["walk_*"]},
    ]
    config = tiny_experiment(tmp_path, validation=validation)
    track, *evaluate = use_commands(Path("runs/x y"), config, tmp_path / "tiny.yaml")
    assert track == "rgbt-track track --tracker 'runs/x y' --rgb SRC --tir SRC"
    (line,) = evaluate
    assert shlex.split(line) == [
        *("rgbt-track", "evaluate", "plain", "--root", str(tmp_path / "a b"), "--split", "val"),
        *("--sequence", "walk", "--tracker", "runs/x y"),
    ]


def test_a_fusion_of_the_users_comes_with_its_yaml_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "steps_of_mine.py").write_text("")
    config = with_fusion(tiny_experiment(tmp_path), "steps_of_mine:Fusion")
    run = Path("runs/x")
    expected = (
        "rgbt-track track --tracker runs/x/config.yaml --weights runs/x/weights.safetensors "
        "--rgb SRC --tir SRC"
    )
    (line,) = use_commands(run, config, tmp_path / "tiny.yaml")
    assert line == f"PYTHONPATH={tmp_path} {expected}"
    monkeypatch.chdir(tmp_path)  # where it is found without that
    assert use_commands(run, config, tmp_path / "tiny.yaml") == [expected]
    run.mkdir(parents=True)
    (run / "best.safetensors").write_bytes(b"")
    assert "runs/x/best.safetensors" in use_commands(run, config, tmp_path / "tiny.yaml")[0]


def test_an_image_network_is_used_by_fuse() -> None:
    line = use_commands(Path("runs/i"), load_image_experiment("lrrnet"), Path("lrrnet.yaml"))
    assert line == ["rgbt-track fuse --weights runs/i/weights.safetensors --rgb SRC --tir SRC OUT"]


def test_an_interrupted_run_goes_on_by_the_line_with_all_that_was_given() -> None:
    settings = ["training.batch=8", "training.sources=[{lmdb: a.lmdb}]"]
    line = resume_command(Path("runs/x"), "mine.yaml", settings, "2", 1, "gpu")
    assert shlex.split(line) == [
        *("rgbt-track", "train", "mine.yaml", *settings, "--out", "runs/x"),
        *("--devices", "2", "--accelerator", "gpu", "--resume"),
    ]
