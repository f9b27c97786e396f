"""The training-free head: correlation against a loop-written twin, and targets followed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_track.config.tracker import AnchorConfig, ModelConfig, load_config
from rgbt_track.models.build import build_network
from rgbt_track.models.heads.matching import MatchingHead
from rgbt_track.tracking.tracker import Tracker


def slow_correlation(
    template: Tensor, search: Tensor, share: float, least_variance: float
) -> Tensor:
    """The docstring's formula, position by position: (C, h, h) and (C, H, H) -> (S, S)."""
    side = template.shape[-1]
    window = torch.zeros(side, side)
    for row in range(side):
        for column in range(side):
            away = (row - (side - 1) / 2) ** 2 + (column - (side - 1) / 2) ** 2
            window[row, column] = np.exp(-away / (2 * (share * side) ** 2))
    window /= window.sum()

    def centred(patch: Tensor) -> Tensor:
        return patch - (patch * window).sum((1, 2), keepdim=True)

    t = centred(template)
    var_t = (t * t * window).sum()
    size = search.shape[-1] - side + 1
    out = torch.zeros(size, size)
    for row in range(size):
        for column in range(size):
            s = centred(search[:, row : row + side, column : column + side])
            var_s = torch.maximum((s * s * window).sum(), least_variance * var_t)
            out[row, column] = (t * s * window).sum() / (var_t * var_s).sqrt()
    return out


def test_head_is_normalised_cross_correlation() -> None:
    torch.manual_seed(0)
    head = MatchingHead(4.0)
    template, search = torch.rand(2, 3, 5, 5), torch.rand(2, 3, 11, 11)
    search[0, :, :6] = 0.3  # a flat part
    cls, loc = head(head.kernels([template]), [search])
    assert cls.shape == (2, 2, 7, 7)
    assert loc.shape == (2, 4, 7, 7)
    assert not cls[:, 0].any()
    assert not loc[:, 2:].any()
    for item in range(2):
        ncc = slow_correlation(template[item], search[item], head.window, head.least_variance)
        expected = head.gain * (ncc - head.threshold)
        torch.testing.assert_close(cls[item, 1], expected, atol=1e-4, rtol=1e-4)


def test_correlation_does_not_see_brightness_and_contrast() -> None:
    torch.manual_seed(0)
    head = MatchingHead(4.0)
    search = torch.rand(1, 3, 11, 11)
    kernels = head.kernels([search[..., 3:8, 3:8]])
    plain, other = head(kernels, [search]).cls, head(kernels, [search * 2 + 5]).cls
    torch.testing.assert_close(plain, other, atol=1e-3, rtol=1e-3)
    assert plain[0, 1].argmax() == 3 * 7 + 3
    assert plain[0, 1].max() == pytest.approx(head.gain * (1 - head.threshold), abs=1e-3)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.2), (-0.45, 0.45)])
def test_offsets_find_the_peak_between_cells(shift: tuple[float, float]) -> None:
    """A smooth blob, moved by a part of a cell; offsets are in units of the anchor."""

    def blob(side: int, x: float, y: float) -> Tensor:
        place = torch.arange(side) - (side - 1) / 2
        return torch.exp(-((place - x)[None] ** 2 + (place - y)[:, None] ** 2) / 18)[None, None]

    head = MatchingHead(4.0)
    cls, loc = head(head.kernels([blob(9, 0, 0)]), [blob(21, *shift)])
    best = int(cls[0, 1].argmax())
    row, column = divmod(best, 13)
    x = column - 6 + 4.0 * loc[0, 0, row, column]
    y = row - 6 + 4.0 * loc[0, 1, row, column]
    assert float(x) == pytest.approx(shift[0], abs=0.06)
    assert float(y) == pytest.approx(shift[1], abs=0.06)
    assert loc.abs().max() <= 0.5 / 4.0 + 1e-6


def test_a_flat_scene_gives_finite_answers_and_no_match() -> None:
    head = MatchingHead(4.0)
    flat, rich = torch.full((1, 3, 11, 11), 0.5), torch.rand(1, 3, 5, 5)
    for template, search in ((rich, flat), (flat[..., :5, :5], flat)):
        cls, loc = head(head.kernels([template]), [search])
        assert torch.isfinite(cls).all() and torch.isfinite(loc).all()
        assert cls[:, 1].max() < 0


@pytest.mark.parametrize("backbone", ["filters", "lite"])
def test_the_head_fits_any_backbone(backbone: str) -> None:
    if backbone == "filters":
        model = load_config("matching").model
    else:
        model = ModelConfig(
            backbone="lite",
            backbone_args={"widths": [4, 4, 4], "blocks": [1, 1]},
            fusion="mean",
            head="matching",
            anchors=AnchorConfig(8, (1.0,), (8.0,)),
        )
    network = build_network(model, seed=0).eval()
    crops = {name: torch.rand(1, 3, 127, 127) * 255 for name in ("rgb", "tir")}
    search = {name: torch.rand(1, 3, 255, 255) * 255 for name in ("rgb", "tir")}
    out = network.search(network.kernels(network.template_levels(crops)), search)
    size = network.response_size()
    assert {response.cls.shape for response in out.values()} == {(1, 2, size, size)}


def scene(x: float, y: float, seed: int = 0) -> np.ndarray:
    """A textured 40x30 target at (x, y) on a textured background, (200, 260, 3) uint8."""
    generator = torch.Generator().manual_seed(seed)
    back = F.interpolate(torch.rand(1, 3, 25, 33, generator=generator), (200, 260), mode="bicubic")
    front = F.interpolate(torch.rand(1, 3, 6, 8, generator=generator), (30, 40), mode="bicubic")
    frame = back[0] * 0.6
    frame[:, int(y) : int(y) + 30, int(x) : int(x) + 40] = front[0]
    return (frame.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("modalities", ["both", "rgb", "tir"])
def test_a_textured_target_is_followed(modalities: str) -> None:
    config = load_config("matching")
    assert "training-free" in config.note
    tracker = Tracker(build_network(config.model, seed=0), config)
    state = None
    for frame in range(12):
        x, y = 60 + 7 * frame, 80 + 20 * np.sin(frame / 2) // 1
        visible = scene(x, y) if modalities != "tir" else None
        thermal = 255 - scene(x, y, 1)[..., 0] if modalities != "rgb" else None
        if state is None:
            state = tracker.init(visible, thermal, (x, y, 40, 30))
        else:
            state = tracker.update(visible, thermal, state)
        np.testing.assert_allclose(state.box, (x, y, 40, 30), atol=2.0)
        assert state.score > 0.5
