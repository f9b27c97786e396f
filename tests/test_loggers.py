from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from conftest import Run
from training_material import tiny_experiment, write_set

from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.training import logger_names

pytest.importorskip("lightning")
from rgbt_track.training.loggers import make_loggers
from rgbt_track.training.metrics_file import MetricsFile


def test_one_logger_or_a_list(tmp_path: Path) -> None:
    assert logger_names(tiny_experiment(tmp_path).training.logger) == ("tensorboard",)
    for given, names in (("csv", ("csv",)), (["wandb", "wandb"], ("wandb",))):
        config = tiny_experiment(tmp_path, logger=given)
        assert logger_names(config.training.logger) == names
        assert to_mapping(config)["training"]["logger"] == given
    for wrong in ("wandbb", ["csv", "x"], 3):
        with pytest.raises(ValueError, match=r"logger is .*valid: csv, tensorboard, wandb"):
            tiny_experiment(tmp_path, logger=wrong)


def test_metrics_are_always_in_the_runs_own_file(tmp_path: Path) -> None:
    (only,) = make_loggers(tmp_path, "csv")
    assert isinstance(only, MetricsFile) and only.path == tmp_path / "metrics.csv"
    first, second = make_loggers(tmp_path, ("csv", "tensorboard"))
    assert isinstance(first, MetricsFile) and type(second).__name__ == "TensorBoardLogger"


def test_weights_and_biases_gets_the_runs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lightning.pytorch.loggers as theirs

    made: list[dict[str, Any]] = []
    monkeypatch.setattr(theirs, "WandbLogger", lambda **settings: made.append(settings))
    module = ModuleType("wandb")
    module.__spec__ = theirs.__spec__  # as if it were installed
    monkeypatch.setitem(sys.modules, "wandb", module)
    make_loggers(tmp_path / "night", "wandb")
    monkeypatch.setenv("WANDB_PROJECT", "thesis")
    make_loggers(tmp_path / "night", ("wandb",))
    assert [(run["project"], run["name"], run["group"]) for run in made] == [
        ("rgbt-track", "night", "night"),
        ("thesis", "night", "night"),
    ]
    assert made[0]["save_dir"] == tmp_path / "night"


@pytest.mark.filterwarnings("ignore")
def test_a_logger_that_is_not_installed_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tmp_path / "tiny.yaml"
    experiment.write_text(yaml.safe_dump(to_mapping(tiny_experiment(write_set(tmp_path / "set")))))
    out = tmp_path / "run"
    for name, extra in (("wandb", "wandb"), ("tensorboard", "train")):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, name, None)
            status, _, error = run("train", experiment, f"training.logger={name}", "--out", out)
        assert status == 1 and error.count("\n") == 1
        assert (
            f"this needs {name}, which is not installed: pip install 'rgbt-track[{extra}]'" in error
        )
    assert not out.exists()
    changes = ("training.logger=csv", "training.epochs=1", "training.pairs_per_epoch=4")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "tensorboard", None)
        status, _, error = run("train", experiment, *changes, "--out", out, "--accelerator", "cpu")
    assert status == 0, error
    assert (out / "metrics.csv").is_file() and not (out / "log").exists()
