"""The comparison of fusions: what each is trained with, what is scored, and the table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from data_trees import plain

from rgbt_track.config.experiments import find_experiment
from rgbt_track.config.overrides import read_values
from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.run_files import CONFIG, WEIGHTS
from rgbt_track.config.tracker import Config
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import save_weights


@pytest.fixture
def compare(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("compare_fusions")


@pytest.fixture
def trained(compare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Training is replaced by writing the weights it starts from; the commands that were run."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        settings = [item for item in command[5:] if "=" in item]
        config = from_mapping(Config, read_values(find_experiment(command[4]), settings), "test")
        network = build_network(config.model, seed=config.training.seed)
        folder = Path(command[command.index("--out") + 1])
        folder.mkdir()
        save_weights(folder / WEIGHTS, network, config)
        (folder / CONFIG).write_text(yaml.safe_dump(to_mapping(config)))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(compare.subprocess, "run", run)
    return commands


def test_every_fusion_is_trained_alike_and_scored_alone_and_joined(
    compare: ModuleType,
    trained: list[list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain(tmp_path / "data")
    options = ["--data", f"day=plain:{tmp_path / 'data'}", "--backward", "--engine", "torch"]
    options += ["--fusions", "llrr_light:start=mean", "--seeds", "1", "2", "--steps", "5"]
    compare.main(["lrrtrack_lite", *options, "--out", str(tmp_path / "out"), "training.batch=8"])
    assert [command[:4] for command in trained] == [
        [sys.executable, "-m", "rgbt_track", "train"]
    ] * 2
    for command, seed in zip(trained, [1, 2], strict=True):
        assert {"training.stage=fusion", "training.init_fusion_anew=true"} <= set(command)
        assert f"training.seed={seed}" in command
    assert "model.fusion_args={start: mean}" in trained[0]
    document = json.loads((tmp_path / "out" / "scores.json").read_text())
    ways = {
        f"day {direction} {way}" for direction in ("forward", "backward") for way in compare.JOINED
    }
    assert {name: len(runs) for name, runs in document["scores"].items()} == {
        "none": 1,
        "llrr_light:start=mean": 2,
    }
    assert set(document["scores"]["llrr_light:start=mean"][0]) == ways
    assert set(document["scores"]["none"][0]) == {way for way in ways if way.endswith("joined")}
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[0] == "fusion" and len(printed) == 3 and "±" in printed[2]


def test_pairs_of_an_epoch_make_the_steps(
    compare: ModuleType, trained: list[list[str]], tmp_path: Path
) -> None:
    arguments = compare.parse(
        ["lrrtrack_lite", "--data", "x", "--steps", "7", "--devices", "2", "--out", str(tmp_path)]
    )
    compare.train("mean", 1, tmp_path / "weights.safetensors", arguments)
    batch = from_mapping(
        Config, read_values(find_experiment("lrrtrack_lite")), "lite"
    ).training.batch
    assert f"training.pairs_per_epoch={7 * batch * 2}" in trained[0]
    compare.train("mean", 1, tmp_path / "weights.safetensors", arguments)
    assert len(trained) == 1  # what is there is not trained again


def test_a_failed_training_names_its_log(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(compare.subprocess, "run", lambda *_, **__: failed)
    arguments = compare.parse(["lrrtrack_lite", "--data", "x", "--out", str(tmp_path)])
    with pytest.raises(ValueError, match=r"training of rfn failed; see .*rfn_1\.log"):
        compare.train("rfn", 1, tmp_path / "weights.safetensors", arguments)


def test_the_spread_is_half_the_distance_of_the_extremes(compare: ModuleType) -> None:
    assert compare.mean_and_spread([0.5, 0.7, 0.6]) == "0.600 ±0.100"
    assert compare.mean_and_spread([0.5]) == "0.500"
    assert compare.mean_and_spread([]) == ""
