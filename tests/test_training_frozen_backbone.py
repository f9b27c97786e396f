"""A frozen backbone by another engine, and the running mean of the weights."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn
from training_material import tiny_experiment

from rgbt_track.models.backbones.lite import LiteBackbone
from rgbt_track.training.frozen_backbone import FrozenBackbone
from rgbt_track.training.module import TrackingModule
from rgbt_track.training.run import running_mean


def test_openvino_gives_the_levels_of_the_backbone() -> None:
    torch.manual_seed(0)
    backbone = LiteBackbone((8, 8, 8), (1, 1)).eval().requires_grad_(False)
    engine = FrozenBackbone(backbone)
    for size in (47, 79):
        x = torch.randn(2, 3, size, size)
        for level, expected in zip(engine(x), backbone(x), strict=True):
            assert level.shape == expected.shape
            error = (level - expected).abs().max() / expected.abs().max()
            assert error < 0.03  # bfloat16 has 8 bits


def test_the_engine_is_used_exactly_while_the_backbone_is_frozen(tmp_path) -> None:
    optimizer = {"frozen_backbone_epochs": 1}
    config = tiny_experiment(tmp_path, frozen_engine="openvino", optimizer=optimizer)
    module = TrackingModule(config)
    backbone = module.network.backbone
    backbone.requires_grad_(False)
    module.select_backbone_engine()
    engine = backbone.forward
    assert isinstance(engine, FrozenBackbone)
    module.select_backbone_engine()
    assert backbone.forward is engine, "what was compiled serves the next epoch too"
    backbone.requires_grad_(True)
    module.select_backbone_engine()
    assert not isinstance(backbone.forward, FrozenBackbone)


def test_openvino_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rgbt-track\[openvino\]'"):
        FrozenBackbone(nn.Identity())


def test_the_running_mean_forgets_its_start_and_then_keeps_its_decay() -> None:
    mean = torch.zeros(1)
    for step in range(20):
        mean = running_mean(0.9, mean, torch.ones(1), torch.tensor(step))
    expected = 0.0
    for step in range(20):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
    assert float(mean) == pytest.approx(expected, rel=1e-5) and expected > 0.99
    late = running_mean(0.9, torch.zeros(1), torch.ones(1), torch.tensor(10_000))
    assert float(late) == pytest.approx(0.1)
