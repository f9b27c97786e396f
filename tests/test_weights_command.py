from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch
from conftest import Run
from safetensors.torch import load_file, save_file
from training_material import tiny_experiment

from rgbt_track.config.parsing import to_mapping
from rgbt_track.io.files import file_sha256
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import read_weights_config, save_weights
from rgbt_track.models.state_dict import DIGEST, read_metadata, state_digest
from rgbt_track.models.weights_list import weights_list
from rgbt_track.resources import WEIGHTS


def test_the_list_is_what_ships() -> None:
    listed = {entry.name: entry for entry in weights_list().shipped}
    files = {path.name: path for path in WEIGHTS.glob("*.safetensors")}
    assert sorted(listed) == sorted(files)
    for name, path in files.items():
        assert file_sha256(path) == listed[name].sha256, f"{name}: bring weights/list.yaml to it"
        assert path.with_suffix(".md").is_file()
    assert all(entry.url is None and entry.terms for entry in listed.values())
    assert all(entry.url and entry.terms for entry in weights_list().published)


def test_listing(run: Run) -> None:
    status, said, _ = run("weights")
    assert status == 0 and said == run("weights", "list")[1]
    listed = weights_list()
    for entry in (*listed.shipped, *listed.published):
        assert entry.name in said and entry.terms in said and entry.sha256 in said
        assert entry.url is None or entry.url in said
    assert "lrrtrack_small.safetensors  2.1 MB" in said


def test_the_commands_of_the_list_exist(run: Run) -> None:
    """Every use is a command that only lacks the user's own files or frames."""
    listed = weights_list()
    for entry in (*listed.shipped, *listed.published):
        words = shlex.split(entry.use)
        assert words[0] == "rgbt-track"
        shown = run(*words[1 : 3 if words[1] == "weights" else 2], "--help")[1]
        assert all(word in shown for word in words if word.startswith("--"))


def test_checking_files(run: Run, tmp_path: Path) -> None:
    status, said, _ = run("weights", "check", WEIGHTS / "lrrnet.safetensors")
    assert status == 0 and "lrrnet.safetensors of the list, whole" in said
    assert file_sha256(WEIGHTS / "lrrnet.safetensors") in said
    config = tiny_experiment(tmp_path)
    file = tmp_path / "mine.safetensors"
    save_weights(file, build_network(config.model, seed=0), config)
    status, said, _ = run("weights", "check", file)
    assert status == 0 and "those that rgbt-track wrote" in said
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    status, _, error = run("weights", "check", file)
    assert status == 1 and "damaged: its tensors are not those that were written" in error
    renamed = tmp_path / "lrrnet.safetensors"
    content = bytearray((WEIGHTS / "lrrnet.safetensors").read_bytes())
    content[-5] ^= 1
    renamed.write_bytes(content)
    status, _, error = run("weights", "check", renamed)
    assert status == 1 and "damaged, or another file of this name" in error
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    status, _, error = run("weights", "check", tmp_path / "other.safetensors")
    assert status == 1 and "in no list, and without a digest inside" in error
    assert run("weights", "check", tmp_path / "none.pth")[0] == 1


def test_a_published_file_is_known_by_the_digest_in_its_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "resnet50-11ad3fa6.pth"
    file.write_bytes(b"not it")
    assert "damaged, or another file" in run("weights", "check", file)[2]
    digest = "11ad3fa6" + 56 * "0"
    monkeypatch.setattr("rgbt_track.commands.weights.check.file_sha256", lambda path: digest)
    assert "resnet50-11ad3fa6.pth of the list, whole" in run("weights", "check", file)[1]


def test_the_digest_is_of_names_types_shapes_and_numbers() -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1)}
    other = [
        {**state, "a": state["a"].reshape(3, 2)},
        {**state, "a": state["a"].half()},
        {**state, "a": -state["a"]},
        {"c": state["a"], "b": state["b"]},
    ]
    assert len({state_digest(each) for each in (state, *other)}) == 5
    assert state_digest(dict(reversed(state.items()))) == state_digest(state)
    assert state_digest({"a": state["a"].t().contiguous().t(), "b": state["b"]}) == state_digest(
        state
    )


def test_a_checkpoint_becomes_a_file_that_says_all(run: Run, tmp_path: Path) -> None:
    config = tiny_experiment(tmp_path)
    state = build_network(config.model, seed=5).state_dict()
    checkpoint = {"state_dict": {f"network.{key}": value for key, value in state.items()}}
    torch.save({**checkpoint, "config": to_mapping(config)}, tmp_path / "last.ckpt")
    out = tmp_path / "night.safetensors"
    status, said, error = run("weights", "convert", tmp_path / "last.ckpt", out)
    assert status == 0, error
    assert f"--tracker {out}" in said
    assert read_weights_config(out).name == "night"
    assert read_weights_config(out).model == config.model
    written = load_file(out)
    assert all(torch.equal(written[key], value) for key, value in state.items())
    assert read_metadata(out)[DIGEST] == state_digest(written)


def test_pysots_weights_become_a_tracker(run: Run, tmp_path: Path) -> None:
    """pysot's keys are those of our RGB and thermal branches, without the fused one."""
    config = tiny_experiment(tmp_path)
    state = build_network(config.model, seed=5).state_dict()
    single = {
        key: value
        for key, value in state.items()
        if not key.startswith(("fusion.", "fused_rpn_head."))
    }
    torch.save({"state_dict": single}, tmp_path / "model.pth")
    yaml = tmp_path / "tiny.yaml"
    yaml.write_text(
        "model: {backbone: lite, backbone_args: {widths: [8, 8, 8], blocks: [1]}, pixels: imagenet,"
        " neck_channels: 8, template_cells: 3, head_channels: 8, fusion_args: {start: mean},"
        " anchors: {ratios: [0.5, 1.0, 2.0], scales: [3.0]}}\n"
        "tracking: {template_size: 47, search_size: 79}\n"
    )
    out = tmp_path / "pysot.safetensors"
    status, _, error = run("weights", "convert", tmp_path / "model.pth", out, "--tracker", yaml)
    assert status == 0, error
    written = load_file(out)
    assert all(torch.equal(written[key], value) for key, value in single.items())
    heads = [key for key in written if key.startswith("fused_rpn_head.")]
    assert heads
    assert all(torch.equal(written[key], written[key.removeprefix("fused_")]) for key in heads)
    # Without --tracker they are taken for those of ResNet-50, which these are not.
    status, _, error = run("weights", "convert", tmp_path / "model.pth", out)
    assert status == 1 and "these weights are of another network" in error
    assert run("weights", "convert", tmp_path / "model.pth", tmp_path / "a.pth")[0] == 1
