"""Weights files and run folders as trackers, and modules that an experiment names."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest
import torch
from conftest import Run
from safetensors.torch import save_file
from training_material import tiny_experiment, write_set

from rgbt_track import load_tracker
from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.run_files import BEST, CONFIG, RECORD, WEIGHTS, run_label, weights_file
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import save_weights
from rgbt_track.models.image_networks import load_image_network
from rgbt_track.resources import WEIGHTS as SHIPPED
from rgbt_track.tracking.loading import load_network, read_config
from rgbt_track.user_modules import find_user_module
from rgbt_track.vot.registry import tracker_section

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with all three kinds of weights, each of another seed."""
    folder = tmp_path_factory.mktemp("runs") / "x"
    (folder / "checkpoints").mkdir(parents=True)
    for name in (CONFIG, RECORD):
        (folder / name).write_text("{}")
    config = tiny_experiment(folder)
    for seed, name in enumerate((BEST, WEIGHTS)):
        save_weights(folder / name, build_network(config.model, seed=seed), config)
    state = build_network(config.model, seed=2).state_dict()
    checkpoint = {
        "state_dict": {f"network.{key}": value for key, value in state.items()},
        "config": to_mapping(config),
    }
    torch.save(checkpoint, folder / "checkpoints" / "last.ckpt")
    return folder


def seed_of(name: Path) -> int:
    """Which of the three weights a tracker has."""
    config = read_config(name)
    weights = load_network(name, config).state_dict()
    seeds = (build_network(config.model, seed=seed).state_dict() for seed in range(3))
    return next(
        seed
        for seed, state in enumerate(seeds)
        if all(torch.equal(state[key], value) for key, value in weights.items())
    )


def test_every_kind_of_weights_is_a_tracker(folder: Path) -> None:
    names = (folder, folder / BEST, folder / WEIGHTS, folder / "checkpoints" / "last.ckpt")
    assert [seed_of(name) for name in names] == [0, 0, 1, 2]
    assert {read_config(name).name for name in names} == {"tiny"}


def test_a_run_is_its_best_weights_then_its_last_then_its_checkpoint(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("checkpoints/last.ckpt", WEIGHTS, BEST):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((folder / name).read_bytes())
        assert weights_file(tmp_path) == tmp_path / name
    assert weights_file(tmp_path / "checkpoints") is None and weights_file("lrrtrack_lite") is None


def test_weights_alone_are_enough_for_a_command(run: Run, folder: Path, tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", sequences=1, frames=2)
    clip = data / "walk_0"
    boxes = []
    for name in (WEIGHTS, "checkpoints/last.ckpt"):
        out = tmp_path / "boxes.txt"
        sources = ("--rgb", clip / "color", "--tir", clip / "ir", "--box", "20,30,22,30")
        status, said, error = run("track", *sources, "--weights", folder / name, "--out", out)
        assert status == 0, error
        assert f"tracker tiny of {folder / name}" in said
        boxes.append(out.read_text())
    assert boxes[0] != boxes[1]
    options = ("--root", data, "--results", tmp_path / "r", "--no-plots")
    assert run("evaluate", "plain", *options, "--weights", folder / WEIGHTS)[0] == 0
    assert run("evaluate", "plain", *options, "--tracker", folder)[0] == 0
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["x", "x_weights"]


def test_reports_name_trackers_by_their_run(folder: Path, tmp_path: Path) -> None:
    assert run_label(folder) == run_label(folder / ".") == "x"
    assert run_label(folder / BEST) == run_label("lrrtrack_r50", folder / BEST) == "x_best"
    assert run_label(folder / "checkpoints" / "last.ckpt") == "x_last"
    assert run_label("lrrtrack_r50", "elsewhere/best.safetensors") == "lrrtrack_r50"
    assert run_label(tmp_path / "mine.v2.safetensors") == "mine.v2"
    assert run_label("lrrtrack_lite") == "lrrtrack_lite" and run_label("a/b.yaml") == "b"
    name, section = tracker_section(folder)
    assert name == section["label"] == "x" and section["env_RGBT_TRACKER"] == str(folder)
    assert tracker_section(folder / WEIGHTS)[0] == "x_weights"


def test_what_says_no_network_is_refused(tmp_path: Path) -> None:
    torch.save({"backbone.conv1.weight": torch.zeros(1)}, tmp_path / "pysot.pth")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "other.ckpt")
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    for name in ("pysot.pth", "other.ckpt", "a.safetensors"):
        with pytest.raises(ValueError, match=r"no configuration.*--tracker lrrtrack_r50"):
            load_tracker(tmp_path / name)
    for name in ("none.ckpt", "none.pth", "none.safetensors"):
        with pytest.raises(FileNotFoundError, match="no such weights file"):
            load_tracker(tmp_path / name)
    with pytest.raises(ValueError, match="image-fusion network, not of a tracker"):
        load_tracker(SHIPPED / "lrrnet.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none of best\.safetensors, weights"):
        load_tracker(tmp_path)


def test_a_checkpoint_is_never_unpickled(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / "bad.ckpt").write_bytes(pickle.dumps({"config": Payload()}))
    torch.save({"config": Payload()}, tmp_path / "worse.ckpt")
    for name in ("bad.ckpt", "worse.ckpt"):
        with pytest.raises(ValueError, match="damaged, or holds more than weights"):
            load_tracker(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_weights_of_other_settings_are_refused_from_checkpoints_too(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"trained with model\.pixels imagenet, not bgr255"):
        load_tracker("lrrtrack_r50", weights=folder / "checkpoints" / "last.ckpt")


def test_a_checkpoint_of_an_image_network_says_which(tmp_path: Path) -> None:
    network = load_image_network(SHIPPED / "lrcfuse.safetensors")
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    settings = {"name": "mine", "task": "image_fusion", "network": {"name": "lrcfuse"}}
    torch.save({"state_dict": state, "config": settings}, tmp_path / "last.ckpt")
    loaded = load_image_network(tmp_path / "last.ckpt").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())
    with pytest.raises(ValueError, match="image-fusion network, not of a tracker"):
        load_tracker(tmp_path / "last.ckpt")


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """``sys.path`` and the imported modules, as they were after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("path")
def test_a_module_of_the_users_is_found_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        place.mkdir()
        (place / "fusions_of_mine.py").write_text(f"WHERE = {place.name!r}\n")
    before = list(sys.path)
    assert find_user_module("fusions_of_nobody:A", [first, second]) is None
    assert sys.path == before
    assert find_user_module("fusions_of_mine:A", [tmp_path, first, second]) == first.resolve()
    assert sys.path == [*before, str(first.resolve())]
    with pytest.raises(ValueError, match=r"second.*not what Python imports.*another name"):
        find_user_module("fusions_of_mine:A", [second])


@pytest.mark.usefixtures("path")
def test_a_module_never_hides_an_installed_one(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("")
    with pytest.raises(ValueError, match="is not what Python imports as 'yaml'"):
        find_user_module("yaml:Fusion", [tmp_path])
