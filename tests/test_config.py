from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from rgbt_track.config import pairs, tracker, training
from rgbt_track.config.experiments import experiment_names, find_experiment, read_task
from rgbt_track.config.parsing import RENAMED_KEYS, from_mapping, to_mapping
from rgbt_track.config.tracker import Config, load_config
from rgbt_track.resources import find_yaml


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", experiment_names("tracking"))
def test_every_shipped_experiment_loads_and_survives_a_round_trip(name: str) -> None:
    config = load_config(name)
    assert config.name == name
    assert from_mapping(Config, to_mapping(config), "again") == config


def test_a_users_own_file(tmp_path: Path) -> None:
    path = written(
        tmp_path, "model: {fusion: mean, branches: [rgb, fused]}\ntracking: {size_lr: 1}\n"
    )
    config = load_config(path)
    assert config.name == "mine"
    assert config.model.branches == ("rgb", "fused") and config.tracking.size_lr == 1.0


def test_keys_of_earlier_versions_are_read_under_their_present_names(tmp_path: Path) -> None:
    path = written(tmp_path, "training: {augment: {veiled: 0.1, colour: 0.5}}")
    augment = load_config(path).training.augment
    assert (augment.obscured, augment.color) == (0.1, 0.5)
    assert "veiled" not in to_mapping(augment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tracking: {window_influense: 0.4}", "unknown key 'window_influense', did you mean"),
        ("tracking: {window_influence: 1.4}", "tracking: window_influence is 1.4; expected 0 to 1"),
        ("tracking: {search_size: 100}", "the search larger than the template"),
        ("tracking: {wide_search_size: 255}", "expected more than search_size 255"),
        ("tracking: {wide_search_below: 1.5}", "wide_search_below is 1.5; expected 0 to 1"),
        ("tracking: {size_lr: -1}", "size_lr is -1.0; it cannot be negative"),
        ("modell: {}", "unknown key 'modell', did you mean 'model'?"),
        ("tracking: {size_lr: fast}", "size_lr is 'fast'; expected float"),
        ("tracking: {search_size: 255.5}", "search_size is 255.5; expected int"),
        ("tracking: {pysot_exact: 1}", "pysot_exact is 1; expected bool"),
        ("tracking: {decision: vote}", "decision is 'vote'; valid: fixed, dfat, adaptive"),
        ("model: {branches: rgb}", "branches is 'rgb'; expected a list"),
        ("model: 3", "expected 'key: value' lines, got 3"),
        ("- a\n- b", "expected 'key: value' lines, got list"),
        ("model: {a: [", "not a YAML file"),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        load_config(path)
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_of_an_earlier_day_are_read_under_their_new_names(tmp_path: Path) -> None:
    """Shipped weights, stores and run folders hold them."""
    config = load_config(written(tmp_path, "tracking: {test_branches: true}"))
    assert config.tracking.calibrate_branches
    with pytest.raises(ValueError, match="'test_branches' is the old name of 'calibrate_branches'"):
        load_config(written(tmp_path, "tracking: {test_branches: true, calibrate_branches: false}"))
    classes = {**vars(pairs), **vars(tracker), **vars(training)}
    for name, renamed in RENAMED_KEYS.items():
        keys = {field.name for field in fields(classes[name])}
        assert set(renamed.values()) <= keys and not set(renamed) & keys


def test_the_task_may_be_left_out_and_no_other_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "note: as files were before they had a task")
    assert load_config(path).task == read_task(path) == "tracking"
    path = written(tmp_path, "note: a comment may follow\ntask: image_fusion   # not a tracker")
    assert read_task(path) == "image_fusion"
    with pytest.raises(ValueError, match="an image-fusion experiment, not a tracker"):
        load_config(path)
    with pytest.raises(ValueError, match="task is 'sailing'; valid: tracking"):
        load_config(written(tmp_path, "task: sailing"))


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"did you mean 'lrrtrack_lite'.*matching, .*, or"
    ) as at:
        find_experiment("lrrtrack_light", "tracking")
    assert "lwc_densefuse" not in str(at.value)
    with pytest.raises(FileNotFoundError, match=r"lrrnet, .*lrrtrack_lite"):
        find_experiment("nothing")
    with pytest.raises(FileNotFoundError, match=r"no such file: nowhere\.yaml"):
        find_yaml("nowhere.yaml", "experiments")


def test_mapping_is_plain_yaml() -> None:
    mapping = to_mapping(Config(name="x"))
    assert yaml.safe_load(yaml.safe_dump(mapping)) == mapping
