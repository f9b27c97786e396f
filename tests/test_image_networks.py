"""One contract for every image network; the quick form; LRCFuse and LWC-DenseFuse by their sums."""

from __future__ import annotations

import fusion_references as reference
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fusion_modules import create_fusion
from fusion_modules.common_feature import CommonCode
from fusion_modules.image import (
    IMAGE_NETWORKS,
    ImageFusion,
    LRCFuse,
    LRRNet,
    LWCDenseFuse,
    fuse_tiled,
    optimize_for_cpu,
)
from fusion_modules.image import (
    fast_lrrnet as quick,
)
from fusion_modules.image.lwc_densefuse import stage_weights
from fusion_modules.lightweight import LightweightConv, channel_shuffle

SMALL: dict[str, dict[str, int]] = {
    "lrrnet": {"width": 4},
    "lrcfuse": {"width": 4, "common_width": 6},
    "lwc_densefuse": {"growth": 4},
}
every_network = pytest.mark.parametrize("name", IMAGE_NETWORKS)


def build(name: str, seed: int = 0) -> ImageFusion:
    torch.manual_seed(seed)
    network = IMAGE_NETWORKS[name](**SMALL[name])
    gate = getattr(getattr(network, "fusion", None), "gate", None)
    if gate is not None:
        nn.init.uniform_(gate, 0.3, 1.0)  # as it is after some training
    return network.double()


def pictures(
    height: int = 9, width: int = 7, batch: int = 2, seed: int = 0
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 1, height, width)
    first, second = (torch.rand(shape, generator=generator).double() for _ in range(2))
    return first, second


@every_network
def test_shape_independence_and_gradients(name: str) -> None:
    network = build(name)
    visible, infrared = (x.requires_grad_() for x in pictures())
    fused = network(visible, infrared)
    assert fused.shape == visible.shape and fused.isfinite().all()
    alone = torch.cat([network(visible[i : i + 1], infrared[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(fused, alone)
    (fused * pictures(seed=1)[0]).sum().backward()
    for what, x in [("visible", visible), ("infrared", infrared), *network.named_parameters()]:
        assert x.grad is not None and x.grad.abs().max() > 1e-9, what


@every_network
@pytest.mark.parametrize("size", [(2, 2), (1, 9)])
def test_the_smallest_pictures(name: str, size: tuple[int, int]) -> None:
    network = build(name)
    if min(size) > 1:
        assert network(*pictures(*size)).isfinite().all()
    else:
        with pytest.raises(ValueError, match="at least 2x2"):
            network(*pictures(*size))


@every_network
def test_tiles_equal_the_whole(name: str) -> None:
    network = build(name)
    visible, infrared = pictures(2 * network.margin + 31, 47, batch=1)
    with torch.no_grad():
        whole = network(visible, infrared)
        for tile in (16, 40):
            torch.testing.assert_close(fuse_tiled(network, visible, infrared, tile), whole)


@every_network
def test_one_pair_is_overfitted(name: str) -> None:
    network = build(name).float()
    visible, infrared = (x.float() for x in pictures(6, 6, batch=1))
    target = pictures(6, 6, batch=1, seed=5)[0].float()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(200):
        loss = nn.functional.mse_loss(network(visible, infrared), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses) < losses[0] / 10


@every_network
def test_networks_without_parts_say_so(name: str) -> None:
    network = build(name)
    if network.part_names:
        assert tuple(network.parts(*pictures())) == network.part_names
    else:
        with pytest.raises(ValueError, match="LWCDenseFuse has no parts"):
            network.parts(*pictures())


def test_documented_parameters() -> None:
    counts = {n: sum(p.numel() for p in IMAGE_NETWORKS[n]().parameters()) for n in IMAGE_NETWORKS}
    assert counts == {"lrrnet": 49_204, "lrcfuse": 35_966, "lwc_densefuse": 22_935}
    assert "35,966" in (LRCFuse.__doc__ or "") and "22,935" in (LWCDenseFuse.__doc__ or "")


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("theta", ["positive", "mixed", "negative"])
def test_quick_form_is_the_network(
    kernel: int, theta: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "CHUNK", 29)  # the last chunk is not full
    torch.manual_seed(0)
    network = LRRNet(width=5, blocks=3, kernel=kernel).double()
    with torch.no_grad():
        for stack in (network.stack_visible, network.stack_infrared):
            stack.theta.mul_(0.2)
            if theta == "negative":
                stack.theta.neg_()
            elif theta == "mixed":
                stack.theta[0, 1::3] = torch.tensor([-0.1, 0.0, 1e-12]).double()
    visible, infrared = pictures(12, 11)
    fast = optimize_for_cpu(network)
    assert type(fast).__name__ == "FastLRRNet" and fast.margin == network.margin
    assert not fast.training and not fast(visible, infrared).requires_grad
    torch.testing.assert_close(fast(visible, infrared), network(visible, infrared))
    for name, part in network.parts(visible, infrared).items():
        torch.testing.assert_close(fast.parts(visible, infrared)[name], part)
    torch.testing.assert_close(fuse_tiled(fast, visible, infrared, 5), network(visible, infrared))


def test_quick_parts_of_lrcfuse() -> None:
    network = build("lrcfuse")
    fast = optimize_for_cpu(network)
    assert fast is not network and type(network.parts_network) is LRRNet
    torch.testing.assert_close(fast(*pictures()), network(*pictures()))
    assert tuple(fast.parts(*pictures())) == LRCFuse.part_names


def test_what_has_no_quick_form_stays_itself() -> None:
    for network in (LRRNet(width=4, extractor="dense"), LRRNet(channels=2), LWCDenseFuse(growth=4)):
        assert optimize_for_cpu(network) is network and not network.training


def test_common_code_is_sparse_coding_of_the_stacked_sources() -> None:
    torch.manual_seed(0)
    code = CommonCode(2, width=4, blocks=2).double()
    a, b = torch.randn(1, 2, 4, 3).double(), torch.randn(1, 2, 4, 3).double()
    theta = reference.array(code.theta)
    x = np.concatenate([reference.array(a), reference.array(b)], axis=1)
    z = reference.soft_threshold(reference.convolve(x, code.c0), theta)
    for block in code.blocks:
        step = reference.convolve(x - reference.convolve(z, block.c1), block.c2)
        z = reference.soft_threshold(step + code.lam.item() * z, theta)
    torch.testing.assert_close(code.common(a, b), torch.from_numpy(z))
    with pytest.raises(ValueError, match="width is 5; expected an even number"):
        CommonCode(2, width=5)


def test_cfpm_adds_what_each_source_has_alone() -> None:
    torch.manual_seed(0)
    fusion = create_fusion("cfpm", 4).double()
    rgb, tir = torch.randn(1, 4, 4, 3).double(), torch.randn(1, 4, 4, 3).double()
    code = reference.array(fusion.code.common(rgb, tir))
    both = np.concatenate([reference.array(rgb), reference.array(tir)], axis=1)
    alone = both - reference.convolve(code, fusion.dictionary)
    expected = reference.convolve(code, fusion.express) + reference.convolve(alone, fusion.join)
    torch.testing.assert_close(fusion(rgb, tir), torch.from_numpy(expected))


def test_lrcfuse_adds_the_common_part() -> None:
    network = build("lrcfuse")
    visible, infrared = pictures()
    parts = network.parts(visible, infrared)
    together = parts["low_rank_fused"] + parts["sparse_fused"] + parts["common"]
    torch.testing.assert_close(network(visible, infrared), together)


@pytest.mark.parametrize("window", [None, 3])
def test_lwc_value_by_value(window: int | None) -> None:
    torch.manual_seed(0)
    conv = LightweightConv(4, 6, window=window).double()
    x = torch.randn(1, 4, 5, 4).double()
    array = reference.array(x)
    depth = np.zeros_like(array)
    for channel in range(4):  # each channel by its own kernel
        alone = nn.Conv2d(1, 1, 3).double()
        alone.weight.data = conv.depthwise.weight.data[channel : channel + 1]
        alone.bias.data = conv.depthwise.bias.data[channel : channel + 1]
        depth[:, channel : channel + 1] = reference.convolve(array[:, channel : channel + 1], alone)
    weight, bias = reference.array(conv.pointwise.weight), reference.array(conv.pointwise.bias)
    y = np.zeros((6, 5, 4))
    for out, row, column in np.ndindex(6, 5, 4):
        group = slice(0, 2) if out < 3 else slice(2, 4)
        y[out, row, column] = bias[out] + weight[out, :, 0, 0] @ depth[0, group, row, column]
    squeeze, excite = (reference.array(c.weight)[..., 0, 0] for c in (conv.squeeze, conv.excite))
    expected = np.zeros_like(y)
    for row, column in np.ndindex(5, 4):
        rows = slice(max(row - 1, 0), row + 2) if window else slice(None)
        columns = slice(max(column - 1, 0), column + 2) if window else slice(None)
        means = y[:, rows, columns].mean(axis=(1, 2))
        hidden = squeeze @ means + reference.array(conv.squeeze.bias)
        hidden = hidden / (1 + np.exp(-hidden))  # SiLU
        attention = 1 / (1 + np.exp(-(excite @ hidden + reference.array(conv.excite.bias))))
        salient = y[:, row, column] * (1 + attention)
        expected[:, row, column] = salient[[0, 3, 1, 4, 2, 5]]  # dealt out from two groups
    torch.testing.assert_close(conv(x)[0], torch.from_numpy(expected))


def test_shuffle_and_groups() -> None:
    x = torch.arange(6.0).view(1, 6, 1, 1)
    assert channel_shuffle(x, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    assert channel_shuffle(x, 1) is x
    assert LightweightConv(3, 8).groups == 1 and LightweightConv(8, 12, groups=8).groups == 4
    for name, message in [("kernel", "kernel is 2"), ("window", "window is 4")]:
        with pytest.raises(ValueError, match=message):
            LightweightConv(4, 4, **{name: int(message[-1])})


def test_lwc_densefuse_begins_as_an_autoencoder() -> None:
    """A picture given twice is encoded and decoded, whatever the fusion has learned or not."""
    torch.manual_seed(0)
    network = LWCDenseFuse(growth=4).double()
    picture = pictures()[0]
    x = network.encode(picture)
    for layer in network.decoder:
        x = layer(x).relu()
    torch.testing.assert_close(network(picture, picture), network.last(x))


def test_stages_go_from_reconstruction_to_fusion() -> None:
    shares = [stage_weights(p, 0.2, 0.6) for p in (0.0, 0.2, 0.4, 0.6, 1.0)]
    assert [round(b, 9) for _, b in shares] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert all(a + b == pytest.approx(1.0) for a, b in shares)
    assert stage_weights(0.0, 0.0, 0.0) == (0.0, 1.0)  # no stages: the fusion losses from the start
    assert stage_weights(0.29, 0.3, 0.3) == (1.0, 0.0) and stage_weights(0.3, 0.3, 0.3) == (
        0.0,
        1.0,
    )
