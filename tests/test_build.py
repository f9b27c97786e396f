"""From a configuration to a network, and weights in and out of files."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from safetensors.torch import save_file

from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import AnchorConfig, Config, ModelConfig, load_config
from rgbt_track.models.build import HEADS, build_network
from rgbt_track.models.checkpoint import (
    check_weights_config,
    load_weights,
    read_weights_config,
    save_weights,
)
from rgbt_track.models.network import RGBTNetwork

MODEL = ModelConfig(
    backbone="lite",
    backbone_args={"widths": [4, 6, 8], "blocks": [1, 1]},
    pixels="imagenet",
    neck_channels=8,
    head_channels=8,
    fusion_args={"start": "mean"},
)
CONFIG = Config("tiny", MODEL, training={"epochs": 3}, note="for tests")


def same(one: RGBTNetwork, other: RGBTNetwork) -> bool:
    states = one.state_dict(), other.state_dict()
    return list(states[0]) == list(states[1]) and all(
        torch.equal(states[0][key], states[1][key]) for key in states[0]
    )


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build_network(MODEL, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert same(one, build_network(MODEL, seed=1))
    assert not same(one, build_network(MODEL, seed=2))


def test_without_a_seed_the_global_generator_decides() -> None:
    torch.manual_seed(5)
    one = build_network(MODEL)
    torch.manual_seed(5)
    assert same(one, build_network(MODEL))
    assert not same(one, build_network(MODEL))


@pytest.mark.parametrize("name", ["lrrtrack_lite", "lrrtrack_small", "matching"])
def test_shipped_configurations_build_and_answer(name: str) -> None:
    config = load_config(name)
    network = build_network(config.model, seed=0).eval()
    tracking = config.tracking
    crops = {
        side: {m: torch.rand(1, 3, side, side) * 255 for m in ("rgb", "tir")}
        for side in (tracking.template_size, tracking.search_size)
    }
    target = torch.tensor([[0.0, 0.0, 30.0, 50.0]])
    with torch.inference_mode():
        out = network(crops[tracking.template_size], crops[tracking.search_size], target).responses
    assert tuple(out) == config.model.branches == ("rgb", "tir", "fused")
    size = network.response_size(tracking.search_size)
    assert all(response.cls.shape[2:] == (size, size) for response in out.values())
    assert all(torch.isfinite(response.cls).all() for response in out.values())


def test_the_resnet_configuration_builds() -> None:
    config = load_config("lrrtrack_r50")
    with torch.device("meta"):
        network = build_network(config.model)
    keys = set(network.state_dict())
    assert {"backbone.layer4.2.conv3.weight", "neck.downsample4.downsample.1.bias"} <= keys
    assert {"rpn_head.rpn2.cls.head.3.bias", "fused_rpn_head.loc_weight"} <= keys


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"backbone": "resnet5"}, "unknown backbone 'resnet5', did you mean 'resnet50'.*lite"),
        ({"backbone_args": {"width": 3}}, "backbone_args of 'lite'.*width"),
        ({"backbone_args": {"widths": [4, 8]}}, "expected three widths"),
        ({"backbone_args": {"blocks": []}}, "a number of blocks for each level"),
        ({"fusion": "lrr"}, "unknown fusion 'lrr'.*llrr_light"),
        ({"fusion_args": {"strat": "mean"}}, "strat"),
        ({"branches": ("rgb", "thermal")}, "unknown branch 'thermal'.*rgb, tir, fused"),
        ({"branches": ()}, "branches is empty; give one or more of rgb, tir, fused"),
        ({"anchors": AnchorConfig(stride=4)}, "anchors.stride is 4, .*'lite' has stride 8"),
        ({"neck_channels": (8, 8, 8)}, "neck_channels has 3 numbers; the backbone has 2 levels"),
        ({"head_channels": (8,)}, "head_channels has 1 numbers; the backbone has 2 levels"),
        ({"head": "matching"}, "head 'matching' has one square anchor"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match) as error:
        build_network(replace(MODEL, **changes))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_channels_are_one_number_or_one_per_level() -> None:
    model = from_mapping(ModelConfig, {"neck_channels": [8, 4], "head_channels": 6}, "test")
    assert (model.neck_channels, model.head_channels) == ((8, 4), 6)
    network = build_network(replace(MODEL, neck_channels=(8, 4), head_channels=6))
    assert network.get_parameter("rpn_head.rpn3.cls.conv_kernel.0.weight").shape[:2] == (6, 4)
    with pytest.raises(ValueError, match="neck_channels"):
        from_mapping(ModelConfig, {"neck_channels": "wide"}, "test")


def test_weights_and_configuration_come_back(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    network = build_network(MODEL, seed=1)
    save_weights(path, network, CONFIG)
    assert os.listdir(tmp_path) == ["tiny.safetensors"]
    config = read_weights_config(path)
    assert config == from_mapping(Config, to_mapping(CONFIG), "test")
    other = build_network(config.model, seed=2)
    load_weights(other, path)
    assert same(network, other)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pixels": "bgr255"}, "trained with model.pixels imagenet, not bgr255"),
        ({"anchors": AnchorConfig(scales=(5.0,))}, r"trained with model.anchors .*8\.0.*5\.0"),
        ({"fuse_at": "backbone"}, "trained with model.fuse_at neck, not backbone"),
    ],
)
def test_weights_trained_with_settings_that_no_shape_shows(
    tmp_path: Path, changes: dict[str, object], match: str
) -> None:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, build_network(MODEL, seed=1), CONFIG)
    check_weights_config(path, replace(MODEL, branches=("rgb",), template_cells=9))
    with pytest.raises(ValueError, match=match) as error:
        check_weights_config(path, replace(MODEL, **changes))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_weights_without_settings_are_not_compared(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        check_weights_config(tmp_path / name, MODEL)


def test_every_head_of_the_settings_has_a_builder() -> None:
    assert set(get_args(get_type_hints(ModelConfig)["head"])) == set(HEADS)


def test_half_precision_files_load_as_single(tmp_path: Path) -> None:
    network = build_network(MODEL, seed=1).to(memory_format=torch.channels_last)
    save_weights(tmp_path / "a.safetensors", network, CONFIG)
    save_weights(tmp_path / "b.safetensors", network, CONFIG, dtype=torch.float16)
    sizes = [os.path.getsize(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    assert sizes[1] < 0.7 * sizes[0]
    other = build_network(MODEL, seed=2)
    load_weights(other, tmp_path / "b.safetensors")
    for key, value in other.state_dict().items():
        assert value.dtype == network.state_dict()[key].dtype
        torch.testing.assert_close(value, network.state_dict()[key], atol=1e-3, rtol=1e-3)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.safetensors"
    network = build_network(MODEL, seed=1)
    save_weights(path, network, CONFIG)
    before = path.read_bytes()

    def full(*arguments: object, **options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("rgbt_track.models.state_dict.save_file", full)
    with pytest.raises(OSError, match="no space"):
        save_weights(path, build_network(MODEL, seed=2), CONFIG)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["tiny.safetensors"]


def test_saving_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder for a"):
        save_weights(tmp_path / "none" / "a.safetensors", build_network(MODEL), CONFIG)


@pytest.mark.parametrize("prefix", ["", "module.", "network."])
def test_checkpoints_of_torch_load(tmp_path: Path, prefix: str) -> None:
    """A bare state dict, data parallelism's, and a training module's with losses beside it."""
    network = build_network(MODEL, seed=1)
    state = {prefix + key: value for key, value in network.state_dict().items()}
    if prefix == "network.":
        state["loss.weight"] = torch.zeros(1)
    content = {"state_dict": state, "epoch": 3} if prefix else state
    torch.save(content, tmp_path / "a.ckpt")
    other = build_network(MODEL, seed=2)
    load_weights(other, tmp_path / "a.ckpt")
    assert same(network, other)


def damaged(tmp_path: Path, kind: str) -> Path:
    network = build_network(MODEL, seed=1)
    path = tmp_path / ("a.safetensors" if "safetensors" in kind else "a.pth")
    if path.suffix == ".pth":
        torch.save(network.state_dict(), path)
    else:
        save_weights(path, network, CONFIG)
    whole = path.read_bytes()
    if kind.startswith("half"):
        path.write_bytes(whole[: len(whole) // 2])
    elif kind.startswith("empty"):
        path.write_bytes(b"")
    elif kind.startswith("text"):
        path.write_text("<html>404 not found</html>")
    elif kind == "noise pth":
        path.write_bytes(torch.randint(0, 256, (5000,), dtype=torch.uint8).numpy().tobytes())
    elif kind == "code pth":
        path.write_bytes(pickle.dumps({"weight": Path("x")}, protocol=2))
    elif kind == "numbers pth":
        torch.save({"weight": 3}, path)
    elif kind == "list pth":
        torch.save([torch.zeros(3)], path)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *(
            f"{what} {suffix}"
            for what in ("half", "empty", "text")
            for suffix in ("safetensors", "pth")
        ),
        *("noise pth", "code pth", "numbers pth", "list pth"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = damaged(tmp_path, kind)
    network = build_network(MODEL, seed=2)
    with pytest.raises(ValueError, match=r"damaged|holds") as error:
        load_weights(network, path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert same(network, build_network(MODEL, seed=2))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, build_network(MODEL), CONFIG)
    wider = build_network(replace(MODEL, head_channels=10), seed=0)
    with pytest.raises(ValueError, match=r"wrong shape .*rpn_head.*\(8, 8, 3, 3\).* and \d+ more"):
        load_weights(wider, path)
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        load_weights(wider, tmp_path / "none.safetensors")
    save_weights(path, build_network(replace(MODEL, branches=("fused",))), CONFIG)
    with pytest.raises(ValueError, match=r"missing rpn_head\.cls_weight"):
        load_weights(build_network(MODEL), path)


@pytest.mark.parametrize("branch", ["rgb", "fused"])
def test_a_branch_alone_takes_its_part_of_the_weights(tmp_path: Path, branch: str) -> None:
    whole = build_network(MODEL, seed=1).eval()
    save_weights(tmp_path / "a.safetensors", whole, CONFIG)
    alone = build_network(replace(MODEL, branches=(branch,)), seed=2).eval()
    load_weights(alone, tmp_path / "a.safetensors")
    template = {name: torch.rand(1, 3, 127, 127) for name in ("rgb", "tir")}
    search = {name: torch.rand(1, 3, 255, 255) for name in ("rgb", "tir")}
    with torch.inference_mode():
        one, other = (n(template, search).responses[branch].cls for n in (whole, alone))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_file_without_configuration_says_so(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="carries no configuration"):
        read_weights_config(tmp_path / "a.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"config": "{"})
    with pytest.raises(ValueError, match=r"a\.safetensors: its configuration is damaged"):
        read_weights_config(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        read_weights_config(tmp_path / "b.safetensors")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path, network = tmp_path / "a.safetensors", build_network(MODEL, seed=1)
    with torch.no_grad():
        network.rpn_head.cls_weight[0] = torch.nan  # type: ignore[union-attr, index, operator]
    save_weights(path, network, CONFIG)
    target = build_network(MODEL, seed=2)
    with pytest.raises(ValueError, match=r"NaN or infinite weights in rpn_head\.cls_weight"):
        load_weights(target, path)
    assert same(target, build_network(MODEL, seed=2))
