from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from conftest import Run
from training_material import tiny_experiment

from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.run_files import weights_file
from rgbt_track.io.images import read_rgb
from rgbt_track.tracking.loading import read_config
from rgbt_track.training.runs import differing_settings, list_runs


def make_run(
    folder: Path, ao: list[float], when: int, finished: bool = True, **training: object
) -> None:
    """The files that a run leaves, without a training."""
    folder.mkdir(parents=True)
    values = to_mapping(tiny_experiment(Path("data"), **training))
    (folder / "config.yaml").write_text(yaml.safe_dump({**values, "name": folder.name}))
    (folder / "run.json").write_text("{}")
    lines = [f"{step},train/total,{9 - step}\n" for step in range(8)]
    lines += [f"{4 * index + 3},val/ao,{value}\n" for index, value in enumerate(ao)]
    (folder / "metrics.csv").write_text("step,name,value\n" + "".join(lines))
    os.utime(folder / "metrics.csv", (when, when))
    if finished:
        (folder / "weights.safetensors").write_bytes(b"")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make_run(tmp_path / "runs" / "slow", [0.25, 0.5], when=1_700_000_000, epochs=2)
    make_run(tmp_path / "runs" / "wide" / "fast", [0.75, 0.625], when=1_700_086_400, batch=8)
    make_run(tmp_path / "runs" / "broken", [], when=1_600_000_000, finished=False, seed=9)
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path / "runs"


def test_runs_are_read_from_their_files(runs: Path) -> None:
    fast, slow, broken = list_runs(runs)
    assert [fast.name, slow.name, broken.name] == [str(Path("wide/fast")), "slow", "broken"]
    assert (fast.best_ao, slow.best_ao, broken.best_ao) == (0.75, 0.5, None)
    assert (fast.epochs, broken.epochs) == ("2", "step 8, of 2 epochs")
    assert slow.loss == 2.0
    keys = differing_settings([fast, slow, broken])
    assert keys == ["training.batch", "training.seed"]
    assert differing_settings([fast]) == []
    assert [run.name for run in list_runs(runs / "slow")] == ["slow"]


def test_the_command_shows_and_draws_them(run: Run, runs: Path) -> None:
    status, said, error = run("runs", runs, "--format", "csv", "--plot", runs / "all.png")
    assert status == 0, error
    rows = said.splitlines()
    assert rows[0] == "run,epochs,best AO,loss,changed,settings that differ"
    assert rows[1].startswith(f"{Path('wide/fast')},2,0.75") and "training.batch=8" in rows[1]
    assert "2023-11-1" in rows[1] and "training.seed=9" in rows[3]
    assert read_rgb(runs / "all.png").shape[1] == 1200
    assert "best AO" in run("runs", runs)[1]


def test_long_names_are_printed_whole(run: Run, tmp_path: Path) -> None:
    name = "_".join(["fusion_with_a_long_name"] * 6)
    make_run(tmp_path / name, [0.5], when=1_700_000_000)
    assert name in run("runs", tmp_path)[1]


def test_what_is_no_run_is_refused(run: Run, tmp_path: Path, runs: Path) -> None:
    assert "no such folder" in run("runs", tmp_path / "none")[2]
    assert "no training run in it" in run("runs", runs / "notes")[2]
    (runs / "slow" / "metrics.csv").write_text("a,b\n1,2\n")
    assert {run.name: run.best_ao for run in list_runs(runs)}["slow"] is None


def test_a_class_of_somebodys_in_a_run_is_not_imported(tmp_path: Path) -> None:
    make_run(tmp_path / "x", [0.5], when=1_700_000_000)
    config = tmp_path / "x" / "config.yaml"
    values = yaml.safe_load(config.read_text())
    values["model"]["fusion"] = "evil_fusions:Evil"
    config.write_text(yaml.safe_dump(values))
    (tmp_path / "x" / "evil_fusions.py").write_text("raise SystemExit('imported')\n")
    (found,) = list_runs(tmp_path)
    assert found.settings["model.fusion"] == "evil_fusions:Evil"


def test_an_empty_name_is_not_the_run_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "x", [0.5], when=1_700_000_000)
    monkeypatch.chdir(tmp_path / "x")
    assert weights_file(".") is not None and weights_file("") is None
    (tmp_path / "x" / "export.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="unknown name '' for experiments; valid: "):
        read_config("")
