"""pysot's files: its network written out a second time, and every file that must be refused.

``slow_*`` is the SiamRPN++ of pysot as functions over a state dict, written from the published
description alone: it shares no code with the package.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional as F

from rgbt_track.config.experiments import is_pysot_config
from rgbt_track.config.tracker import AnchorConfig, ModelConfig
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import load_weights
from rgbt_track.models.network import RGBTNetwork
from rgbt_track.models.pysot import load_pysot_checkpoint, load_pysot_config
from rgbt_track.models.state_dict import is_pysot_state

State = dict[str, Tensor]
BLOCKS = {1: 3, 2: 4, 3: 6, 4: 3}
CONFIG: dict[str, Any] = {
    "META_ARC": "siamrpn_r50_l234_dwxcorr",
    "BACKBONE": {"TYPE": "resnet50", "KWARGS": {"used_layers": [2, 3, 4]}, "TRAIN_EPOCH": 10},
    "ADJUST": {
        "ADJUST": True,
        "TYPE": "AdjustAllLayer",
        "KWARGS": {"in_channels": [512, 1024, 2048], "out_channels": [256, 256, 256]},
    },
    "RPN": {
        "TYPE": "MultiRPN",
        "KWARGS": {"anchor_num": 5, "in_channels": [256, 256, 256], "weighted": True},
    },
    "MASK": {"MASK": False},
    "ANCHOR": {"STRIDE": 8, "RATIOS": [0.33, 0.5, 1, 2, 3], "SCALES": [8], "ANCHOR_NUM": 5},
    "TRACK": {
        "TYPE": "SiamRPNTracker",
        "PENALTY_K": 0.04,
        "WINDOW_INFLUENCE": 0.44,
        "LR": 0.33,
        "EXEMPLAR_SIZE": 127,
        "INSTANCE_SIZE": 255,
        "BASE_SIZE": 8,
        "CONTEXT_AMOUNT": 0.5,
    },
    "TRAIN": {"EPOCH": 20, "LR": {"TYPE": "log"}},
    "DATASET": {"NAMES": ["VID", "COCO"], "NEG": 0.2},
}


def random_state(neck: tuple[int, int, int] = (256, 256, 256)) -> State:
    """A checkpoint's keys and shapes from the description, with values that keep maps sane."""
    generator = torch.Generator().manual_seed(7)
    state: State = {}

    def uniform(size: int, low: float, high: float) -> Tensor:
        return torch.rand(size, generator=generator) * (high - low) + low

    def conv(key: str, out: int, inputs: int, side: int, bias: bool = False) -> None:
        spread = (2 / (inputs * side * side)) ** 0.5
        state[f"{key}.weight"] = torch.randn(out, inputs, side, side, generator=generator) * spread
        if bias:
            state[f"{key}.bias"] = uniform(out, -0.5, 0.5)

    def norm(key: str, size: int, scale: float = 1.0) -> None:
        state[f"{key}.weight"] = uniform(size, 0.6, 1.4) * scale
        state[f"{key}.bias"] = uniform(size, -0.2, 0.2)
        state[f"{key}.running_mean"] = uniform(size, -0.2, 0.2)
        state[f"{key}.running_var"] = uniform(size, 0.6, 1.4)
        state[f"{key}.num_batches_tracked"] = torch.tensor(1)

    conv("backbone.conv1", 64, 3, 7)
    norm("backbone.bn1", 64, scale=0.01)
    inputs = 64
    for layer, planes in ((1, 64), (2, 128), (3, 256), (4, 512)):
        for block in range(BLOCKS[layer]):
            key = f"backbone.layer{layer}.{block}"
            for index, shape in enumerate(
                [(planes, inputs, 1), (planes, planes, 3), (4 * planes, planes, 1)], start=1
            ):
                conv(f"{key}.conv{index}", *shape)
                norm(f"{key}.bn{index}", shape[0], scale=0.4 if index == 3 else 1.0)
            if block == 0:
                conv(f"{key}.downsample.0", 4 * planes, inputs, 1 if layer == 1 else 3)
                norm(f"{key}.downsample.1", 4 * planes, scale=0.7)
            inputs = 4 * planes
    for level, channels in zip((2, 3, 4), (512, 1024, 2048), strict=True):
        width = neck[level - 2]
        conv(f"neck.downsample{level}.downsample.0", width, channels, 1)
        norm(f"neck.downsample{level}.downsample.1", width)
        for task, out in (("cls", 10), ("loc", 20)):
            key = f"rpn_head.rpn{level}.{task}"
            for side in ("conv_kernel", "conv_search"):
                conv(f"{key}.{side}.0", width, width, 3)
                norm(f"{key}.{side}.1", width)
            conv(f"{key}.head.0", width, width, 1)
            norm(f"{key}.head.1", width, scale=0.002)
            conv(f"{key}.head.3", out, width, 1, bias=True)
    state["rpn_head.cls_weight"] = torch.tensor([0.3, -0.7, 1.1])
    state["rpn_head.loc_weight"] = torch.tensor([-0.2, 0.9, 0.4])
    return state


def slow_norm(state: State, key: str, x: Tensor) -> Tensor:
    shape = (1, -1, 1, 1)
    scale = state[f"{key}.weight"] / (state[f"{key}.running_var"] + 1e-5).sqrt()
    centred = x - state[f"{key}.running_mean"].view(shape)
    return centred * scale.view(shape) + state[f"{key}.bias"].view(shape)


def slow_backbone(state: State, rgb: Tensor) -> list[Tensor]:
    """BGR 0..255 through the four layers; the outputs of layers 2, 3 and 4."""
    x = F.conv2d(rgb[:, [2, 1, 0]], state["backbone.conv1.weight"], stride=2, padding=0)
    x = F.max_pool2d(F.relu(slow_norm(state, "backbone.bn1", x)), 3, 2, 1)
    levels = []
    for layer, stride, dilation in ((1, 1, 1), (2, 2, 1), (3, 1, 2), (4, 1, 4)):
        for block in range(BLOCKS[layer]):
            key = f"backbone.layer{layer}.{block}"
            first = block == 0
            step = stride if first else 1
            spread = dilation // 2 if first and dilation > 1 else dilation
            padding = spread if dilation > 1 else 2 - step
            y = F.conv2d(x, state[f"{key}.conv1.weight"])
            y = F.relu(slow_norm(state, f"{key}.bn1", y))
            y = F.conv2d(
                y, state[f"{key}.conv2.weight"], stride=step, padding=padding, dilation=spread
            )
            y = F.relu(slow_norm(state, f"{key}.bn2", y))
            y = slow_norm(state, f"{key}.bn3", F.conv2d(y, state[f"{key}.conv3.weight"]))
            if first:
                around = spread if dilation > 1 else 0
                x = F.conv2d(
                    x,
                    state[f"{key}.downsample.0.weight"],
                    stride=step,
                    padding=around,
                    dilation=spread,
                )
                x = slow_norm(state, f"{key}.downsample.1", x)
            x = F.relu(x + y)
        levels.append(x)
    return levels[1:]


def slow_neck(state: State, levels: list[Tensor]) -> list[Tensor]:
    out = []
    for index, level in enumerate(levels):
        key = f"neck.downsample{index + 2}.downsample"
        x = slow_norm(state, f"{key}.1", F.conv2d(level, state[f"{key}.0.weight"]))
        if x.shape[3] < 20:
            start = (x.shape[3] - 7) // 2
            x = x[:, :, start : start + 7, start : start + 7]
        out.append(x)
    return out


def slow_correlation(search: Tensor, kernel: Tensor) -> Tensor:
    """Every place of the kernel in turn, all channels of all items at once."""
    side = kernel.shape[-1]
    size = search.shape[-1] - side + 1
    out = torch.zeros(*kernel.shape[:2], size, size)
    for row in range(side):
        for column in range(side):
            moved = search[:, :, row : row + size, column : column + size]
            out += moved * kernel[:, :, row : row + 1, column : column + 1]
    return out


def slow_head(state: State, task: str, template: list[Tensor], search: list[Tensor]) -> Tensor:
    weight = state[f"rpn_head.{task}_weight"].exp()
    out = torch.zeros(())
    for index, (t, s) in enumerate(zip(template, search, strict=True)):
        key = f"rpn_head.rpn{index + 2}.{task}"
        both = []
        for side, features in (("conv_kernel", t), ("conv_search", s)):
            x = F.conv2d(features, state[f"{key}.{side}.0.weight"])
            both.append(F.relu(slow_norm(state, f"{key}.{side}.1", x)))
        x = slow_correlation(both[1], both[0])
        x = F.relu(slow_norm(state, f"{key}.head.1", F.conv2d(x, state[f"{key}.head.0.weight"])))
        x = F.conv2d(x, state[f"{key}.head.3.weight"], state[f"{key}.head.3.bias"])
        out = out + x * weight[index] / weight.sum()
    return out


@pytest.fixture(scope="module")
def state() -> State:
    return random_state()


@pytest.fixture(scope="module")
def checkpoint(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pysot's training saves it: nested, with the prefix of data parallelism."""
    path = tmp_path_factory.mktemp("pysot") / "model.pth"
    torch.save({"epoch": 20, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    return path


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> RGBTNetwork:
    return load_pysot_checkpoint(checkpoint)


@pytest.fixture(scope="module")
def crops() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = {"template": 127, "search": 255}
    return {
        name: torch.rand(1, 3, size, size, generator=generator) * 255
        for name, size in sizes.items()
    }


def test_equals_pysots_network(
    state: State, network: RGBTNetwork, crops: dict[str, Tensor]
) -> None:
    with torch.no_grad():
        kernels = network.kernels(network.template_levels({"rgb": crops["template"]}))
        ours = network.search(kernels, {"rgb": crops["search"]})["rgb"]
        template = slow_neck(state, slow_backbone(state, crops["template"]))
        search = slow_neck(state, slow_backbone(state, crops["search"]))
        for task, answer, channels in (("cls", ours.cls, 10), ("loc", ours.loc, 20)):
            expected = slow_head(state, task, template, search)
            assert expected.shape == (1, channels, 25, 25)
            assert 0.1 < float(expected.std()) < 100
            torch.testing.assert_close(answer, expected, atol=1e-4, rtol=1e-4)


def test_the_fused_branch_starts_as_the_mean_under_a_copy_of_the_head(
    network: RGBTNetwork, crops: dict[str, Tensor]
) -> None:
    """With the same picture in both modalities, all three branches say the same."""
    template, search = crops["template"], crops["search"][..., :127, :127]
    with torch.no_grad():
        kernels = network.kernels(network.template_levels({"rgb": template, "tir": template}))
        out = network.search(kernels, {"rgb": search, "tir": search})
    assert list(out) == ["rgb", "tir", "fused"]
    torch.testing.assert_close(out["rgb"].cls, out["tir"].cls, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out["fused"].cls, out["rgb"].cls, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out["fused"].loc, out["rgb"].loc, atol=1e-4, rtol=1e-4)


def test_is_in_evaluation_mode(network: RGBTNetwork) -> None:
    assert not any(module.training for module in network.modules())


def test_published_files_without_step_counters_and_level_weights(
    state: State, network: RGBTNetwork, tmp_path: Path
) -> None:
    """pysot's ``weighted: false`` is the plain average; old files have no step counters."""
    bare = {
        key: value
        for key, value in state.items()
        if not key.endswith(("num_batches_tracked", "cls_weight", "loc_weight"))
    }
    torch.save(bare, tmp_path / "bare.pth")
    loaded = copy.deepcopy(network)
    load_weights(loaded, tmp_path / "bare.pth")
    assert loaded.rpn_head is not None
    weight = loaded.get_parameter("rpn_head.cls_weight")
    torch.testing.assert_close(weight.softmax(0), torch.full((3,), 1 / 3))


def refuse(network: RGBTNetwork, state: State, path: Path, match: str) -> None:
    before = network.get_parameter("rpn_head.cls_weight").clone()
    torch.save(state, path)
    with pytest.raises(ValueError, match=match) as error:
        load_weights(network, path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    torch.testing.assert_close(network.get_parameter("rpn_head.cls_weight"), before)


def test_what_does_not_fit_is_named(state: State, network: RGBTNetwork, tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    lacking = {key: value for key, value in state.items() if key != "backbone.conv1.weight"}
    refuse(network, lacking, path, "missing backbone.conv1.weight")
    masked = {**state, "mask_head.conv.weight": torch.zeros(1)}
    refuse(network, masked, path, r"SiamMask.*mask_head.conv.weight")
    refuse(network, {**state, "fc.weight": torch.zeros(1)}, path, "unexpected fc.weight")
    wide = {**state, "neck.downsample2.downsample.0.weight": torch.zeros(128, 512, 1, 1)}
    refuse(network, wide, path, r"wrong shape neck.downsample2.*\(128, 512, 1, 1\) for \(256, ")


def test_detects_pysots_keys(state: State) -> None:
    assert is_pysot_state(state)
    assert not is_pysot_state(["backbone.conv1.weight", "fc.weight"])
    assert not is_pysot_state([*state, "fused_rpn_head.cls_weight"])


def write(path: Path, changes: dict[str, Any] | None = None) -> Path:
    values = copy.deepcopy(CONFIG)
    for dotted, value in (changes or {}).items():
        *sections, key = dotted.split(".")
        place = values
        for section in sections:
            place = place[section]
        if value is None:
            del place[key]
        else:
            place[key] = value
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_config_is_read(tmp_path: Path) -> None:
    config = load_pysot_config(write(tmp_path / "config.yaml"))
    assert config.name == "siamrpn_r50_l234_dwxcorr"
    assert config.model.anchors == AnchorConfig()
    assert config.model.neck_channels == config.model.head_channels == (256, 256, 256)
    assert (config.model.backbone, config.model.pixels) == ("resnet50", "bgr255")
    tracking = config.tracking
    assert (tracking.penalty_k, tracking.window_influence, tracking.size_lr) == (0.04, 0.44, 0.33)
    assert (tracking.template_size, tracking.search_size, tracking.context) == (127, 255, 0.5)
    assert not tracking.pysot_exact


def test_missing_keys_take_the_values_of_this_configuration(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("META_ARC: siamrpn_r50_l234_dwxcorr\n", encoding="utf-8")
    config = load_pysot_config(path)
    tracking = config.tracking
    assert (tracking.penalty_k, tracking.window_influence, tracking.size_lr) == (0.05, 0.42, 0.38)
    assert config.model == load_pysot_config(write(tmp_path / "full.yaml")).model


def test_both_spellings_of_pysots_keys_are_read(tmp_path: Path) -> None:
    """Older files name classes by dotted paths and have ``LAYERS`` and ``ADJUST_CHANNEL``."""
    path = write(
        tmp_path / "old.yaml",
        {
            "BACKBONE": {
                "TYPE": "pysot.models.backbone.resnet_atrous.resnet50",
                "LAYERS": [2, 3, 4],
            },
            "ADJUST": {
                "ADJUST": True,
                "TYPE": "pysot.models.neck.neck.AdjustAllLayer",
                "ADJUST_CHANNEL": [128, 256, 512],
            },
            "RPN": {"TYPE": "pysot.models.head.rpn.MultiRPN", "WEIGHTED": True},
            "TRACK.TYPE": "SiamRPNLTTracker",
        },
    )
    assert load_pysot_config(path).model.neck_channels == (128, 256, 512)


def test_levels_of_different_width_are_built(tmp_path: Path) -> None:
    """The long-term model's levels have 128, 256 and 512 channels."""
    path = write(tmp_path / "lt.yaml", {"ADJUST.KWARGS.out_channels": [128, 256, 512]})
    config = load_pysot_config(path, fusion="mean")
    with torch.device("meta"):
        built = build_network(config.model).state_dict()
    for level, width in ((2, 128), (3, 256), (4, 512)):
        for head in ("rpn_head", "fused_rpn_head"):
            assert built[f"{head}.rpn{level}.cls.head.0.weight"].shape == (width, width, 1, 1)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"BACKBONE.TYPE": "alexnetlegacy"}, "BACKBONE.TYPE is alexnetlegacy; only resnet50"),
        ({"BACKBONE.KWARGS.used_layers": [4]}, r"used_layers is \[4\]; only \[2, 3, 4\]"),
        ({"ADJUST.ADJUST": False}, "ADJUST.ADJUST is False"),
        ({"RPN.TYPE": "DepthwiseRPN"}, "RPN.TYPE is DepthwiseRPN; only MultiRPN"),
        ({"MASK.MASK": True}, "MASK.MASK is True"),
        ({"TRACK.TYPE": "SiamMaskTracker"}, "TRACK.TYPE is SiamMaskTracker"),
        ({"TRACK.BASE_SIZE": 0}, "BASE_SIZE is 0"),
        ({"ANCHOR.ANCHOR_NUM": 3}, "ANCHOR_NUM is 3, but RATIOS and SCALES make 5"),
        ({"TRACK.INSTANCE_SIZE": "large"}, "search_size is 'large'; expected int"),
        ({"TRACK.LR": "fast"}, "size_lr is 'fast'; expected float"),
        ({"ANCHOR": 5}, "ANCHOR is 5"),
    ],
)
def test_other_configurations_are_refused(
    tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    path = write(tmp_path / "other.yaml", changes)
    with pytest.raises(ValueError, match=match) as error:
        load_pysot_config(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_such_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_pysot_config(tmp_path / "none.yaml")
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        load_pysot_checkpoint(tmp_path / "none.pth")


def test_detects_pysots_configuration() -> None:
    assert is_pysot_config(CONFIG)
    assert not is_pysot_config({"model": {"backbone": "lite"}})


def test_a_lite_network_refuses_these_weights(checkpoint: Path) -> None:
    network = build_network(
        ModelConfig(backbone="lite", neck_channels=8, head_channels=8, fusion="mean"), seed=0
    )
    with pytest.raises(ValueError, match=r"another network: missing backbone\.stem"):
        load_weights(network, checkpoint)
