"""The systems of the papers by name: what each builds, and that its training and tracking run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_material import tiny_experiment, write_set

from fusion_modules import ResidualLoss
from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import Config, ModelConfig, load_config
from rgbt_track.image_fusion.fuser import Fuser
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import load_weights, save_weights
from rgbt_track.models.early_fusion import EarlyFusion
from rgbt_track.models.engines.create import choose_engine
from rgbt_track.models.image_networks import load_image_network, shipped_image_weights
from rgbt_track.pairs.sources import pair_dataset
from rgbt_track.tracking.loading import load_tracker

# Parameters in all, of the fusion, and branches; pysot's SiamRPN++ has 53,950,624.
SYSTEMS = {
    "siamrpn_rgb": (53_950_624, 0, ("rgb",)),
    "siamrpn_tir": (53_950_624, 0, ("tir",)),
    "early_fusion": (53_950_624 + 49_204, 0, ("rgb",)),
    "dfat": (53_950_624, 0, ("rgb", "tir")),
    "dfat_rfn": (69_327_616, 7_873_536, ("rgb", "tir", "fused")),
    "lrrnet_tracker": (100_400_134, 38_946_054, ("rgb", "tir", "fused")),
}
FIRST_STAGE = [name for name, (_, fusion, _) in SYSTEMS.items() if not fusion]


def count(module: torch.nn.Module | None) -> int:
    return sum(p.numel() for p in module.parameters()) if module is not None else 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_system_builds_what_its_paper_describes(name: str) -> None:
    config = load_config(name)
    total, fusion, branches = SYSTEMS[name]
    with torch.device("meta"):
        network = build_network(replace(config.model, early_fusion=None))
    image_network = 0
    if config.model.early_fusion is not None:
        image_network = count(load_image_network(shipped_image_weights(config.model.early_fusion)))
    assert count(network) + image_network == total
    assert count(network.fusion) == fusion
    assert config.model.branches == branches
    assert network.response_size(config.tracking.search_size) == 25


def test_the_recipes_are_dfats() -> None:
    for name in SYSTEMS:
        training = load_config(name).training
        assert (training.epochs, training.optimizer.lr_batch) == (50, 32)
        rates = training.optimizer
        assert (rates.warmup_lr, rates.lr, rates.final_lr) == (0.001, 0.005, 0.0025)
        assert training.stage == ("branches" if name in FIRST_STAGE else "fusion")
    for name in ("dfat", "dfat_rfn", "lrrnet_tracker"):
        tracking = load_config(name).tracking
        assert tracking.thermal_mean_shift and tracking.template_update_every == 15
        assert (tracking.template_update_from, tracking.template_update_score) == ("last", 0.0)


def tiny(name: str, root: Path, **training: object) -> Config:
    """The system with the backbone, the crops and the data of the tests' smallest tracker."""
    small = to_mapping(tiny_experiment(root, **training))
    paper = to_mapping(load_config(name))
    own = {key: paper["model"][key] for key in ("early_fusion", "fusion", "branches", "fuse_at")}
    small["model"].update(own, fusion_args={})
    small["tracking"] = {**paper["tracking"], "template_size": 47, "search_size": 79}
    loss = {**paper["training"]["loss"], "feature_levels": [0, 0, 0]}
    small["training"].update({"stage": paper["training"]["stage"], "loss": loss})
    return from_mapping(Config, {**small, "name": name}, name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("lightning")
    return write_set(tmp_path_factory.mktemp("papers") / "set")


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_system_learns_and_tracks(name: str, root: Path, tmp_path: Path) -> None:
    """The same pairs again and again: the loss of its own stage falls, and nothing else moves."""
    from rgbt_track.training.module import TrackingModule

    config = tiny(name, root)
    module = TrackingModule(config)
    dataset = pair_dataset(config)
    batch = torch.utils.data.default_collate([dataset[0, index] for index in range(4)])
    before = {key: value.clone() for key, value in module.network.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=0.01)
    module.train()
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        terms = module.losses(batch)
        terms["total"].backward()
        optimizer.step()
        losses.append({key: value.item() for key, value in terms.items()})
    first, last = losses[0], losses[-1]
    assert all(np.isfinite([*step.values()]).all() for step in losses)
    assert last["total"] < 0.7 * first["total"]
    is_second = config.training.stage == "fusion"
    assert ("feature" in last) == is_second
    for branch in config.model.branches[-1:]:
        assert last[f"cls_{branch}"] < first[f"cls_{branch}"]
        assert last[f"loc_{branch}"] < first[f"loc_{branch}"]
    if name == "lrrnet_tracker":  # eq. 15 itself; RFN's needs more steps
        assert last["feature"] < 0.7 * first["feature"]
    trained = ("fusion", "fused_rpn_head") if is_second else ("backbone", "neck", "rpn_head")
    moved = {
        key.split(".")[0]
        for key, value in module.network.state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert moved == set(trained)
    assert isinstance(module.criterion.feature, ResidualLoss) == (name == "dfat_rfn")
    # Its weights track, by their file alone.
    save_weights(tmp_path / "w.safetensors", module.network, config)
    tracker = load_tracker(tmp_path / "w.safetensors", engine="torch")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 2, 60, 80, 3), np.uint8)
    state = tracker.init(*frames[0], (30, 20, 20, 16))
    assert set(state.template) == set(config.model.branches)
    for rgb, tir in frames[1:]:
        state = tracker.update(rgb, tir, state)
        assert np.isfinite([*state.box, state.score]).all()


def test_the_branches_of_dfat_serve_the_other_systems(root: Path, tmp_path: Path) -> None:
    first = build_network(tiny("dfat", root).model, seed=1)
    save_weights(tmp_path / "dfat.safetensors", first, tiny("dfat", root))
    for name in ("siamrpn_rgb", "siamrpn_tir", "early_fusion"):
        network = build_network(tiny(name, root).model, seed=2)
        load_weights(network, tmp_path / "dfat.safetensors")
        state = network.state_dict()
        for key, value in first.state_dict().items():
            assert torch.equal(state[key], value), (name, key)


def gradient(height: int = 64, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A scene in pale colors and a warm square over a thermal gradient."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([90 + x, 100 + y, 110 + (x + y) // 2], 2).astype(np.uint8)
    tir = (40 + y).astype(np.uint8)
    tir[20:40, 24:44] = 220
    return rgb, tir


def test_a_fused_crop_is_what_fusing_the_image_gives() -> None:
    rgb, tir = gradient()
    network = load_image_network(shipped_image_weights())
    expected = Fuser(network, tile=0).fuse(rgb, tir).image.astype(float)
    module = EarlyFusion(network)
    crops = {
        "rgb": torch.from_numpy(rgb).permute(2, 0, 1)[None].float(),
        "tir": torch.from_numpy(tir).expand(3, -1, -1)[None].float(),
    }
    fused = module(crops)
    assert set(fused) == {"rgb"}
    picture = fused["rgb"][0].permute(1, 2, 0).numpy()
    assert np.abs(picture - expected).max() < 4  # the other one is rounded three times
    module.optimize()
    torch.testing.assert_close(module(crops)["rgb"], fused["rgb"], atol=0.05, rtol=1e-3)


def test_one_camera_alone_is_the_picture() -> None:
    crop = torch.rand(1, 3, 47, 47) * 255
    module = EarlyFusion(load_image_network(shipped_image_weights()))
    for name in ("rgb", "tir"):
        assert torch.equal(module({name: crop})["rgb"], crop)


def test_early_fusion_is_refused_where_it_cannot_be() -> None:
    model = load_config("early_fusion").model
    with pytest.raises(ValueError, match=r"branches must be \[rgb\], not \[rgb, tir\]"):
        build_network(replace(model, branches=("rgb", "tir")))
    with pytest.raises(ValueError, match="shipped for 'lrrnett', did you mean 'lrrnet'"):
        build_network(replace(model, early_fusion="lrrnett"))
    assert not model.has_graphs and ModelConfig().has_graphs
    assert choose_engine("auto", "fp32", "cpu", is_learned=model.has_graphs) == "torch"


def test_the_backbones_levels_are_compared_only_where_they_are_fused(root: Path) -> None:
    pytest.importorskip("lightning")
    from rgbt_track.training.module import TrackingModule

    config = tiny("lrrnet_tracker", root)
    loss = replace(config.training.loss, feature_at="backbone")
    config = replace(config, training=replace(config.training, loss=loss))
    with pytest.raises(ValueError, match=r"set model\.fuse_at=backbone"):
        TrackingModule(config)
    module = TrackingModule(replace(config, model=replace(config.model, fuse_at="backbone")))
    dataset = pair_dataset(config)
    batch = torch.utils.data.default_collate([dataset[0, index] for index in range(2)])
    terms = module.losses(batch)
    assert torch.isfinite(terms["feature"]) and terms["feature"] > 0
