"""LLRR and its ablations against loop-written twins, and what the paper and its files fix."""

from __future__ import annotations

import fusion_references as reference
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fusion_modules import FUSIONS, LLRRBlock, LLRRStack, create_fusion, soft_threshold
from fusion_modules.conv8 import plain_stack
from fusion_modules.dense import dense_channels, dense_stack
from fusion_modules.llrr import official_key


def close(actual: Tensor, expected: reference.Array) -> None:
    torch.testing.assert_close(actual.double(), torch.from_numpy(expected))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5,), (1, 5)])
def test_soft_threshold_is_eq_9(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    theta = torch.tensor([0.5, -0.3, 0.0, 2.0, 0.7], dtype=dtype).reshape(shape)
    x = torch.randn(2, 5, 4, 3, dtype=dtype)
    x[:, :, 0, 0] = 0.0  # zero stays, even under a negative threshold
    x[:, 0, 1, 1] = 0.5  # exactly on the threshold
    kept = x.clone()
    result = soft_threshold(x, theta)
    assert result.dtype == dtype and torch.equal(x, kept)
    close(result, reference.soft_threshold(reference.array(x), reference.array(theta)))


def test_soft_threshold_takes_another_layout() -> None:
    x = torch.randn(2, 6, 5, 4)
    theta = torch.rand(6) - 0.2
    last = x.to(memory_format=torch.channels_last)
    assert torch.equal(soft_threshold(last, theta), soft_threshold(x, theta))


@pytest.mark.parametrize("x_learns", [True, False])
@pytest.mark.parametrize("theta_learns", [True, False])
def test_soft_threshold_gradients(x_learns: bool, theta_learns: bool) -> None:
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64, requires_grad=x_learns)
    theta = torch.tensor([[0.4, -0.3, 0.1]], dtype=torch.float64, requires_grad=theta_learns)
    if x_learns or theta_learns:
        assert torch.autograd.gradcheck(soft_threshold, (x, theta))
        assert torch.autograd.gradgradcheck(soft_threshold, (x, theta))
    else:
        assert not soft_threshold(x, theta).requires_grad


def test_soft_threshold_gradient_is_the_formulas() -> None:
    """Also where the formula has a kink: no gradient where the result is zero."""
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0]).view(1, 1, 1, 5).requires_grad_()
    theta = torch.tensor([0.5], requires_grad=True)
    soft_threshold(x, theta).mul(torch.arange(1.0, 6.0)).sum().backward()
    assert x.grad is not None and x.grad.flatten().tolist() == [1, 0, 0, 0, 5]
    assert theta.grad is not None and theta.grad.tolist() == [1 - 5]


def test_block_is_eq_8() -> None:
    torch.manual_seed(0)
    block = LLRRBlock(3, width=2).double()
    x, z = torch.randn(2, 3, 5, 4).double(), torch.randn(2, 4, 5, 4).double()
    theta, lam = torch.tensor([[0.1, 0.4, -0.2, 0.0]]).double(), torch.tensor([[0.6]]).double()
    rest = reference.array(x) - reference.convolve(reference.array(z), block.c1)
    step = reference.convolve(rest, block.c2) + 0.6 * reference.array(z)
    expected = reference.soft_threshold(step, reference.array(theta))
    close(block(x, z, theta, lam), expected)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_stack_iterates_the_block(kernel: int) -> None:
    torch.manual_seed(0)
    stack = LLRRStack(2, width=3, blocks=3, kernel=kernel).double()
    x = torch.randn(2, 2, 4, 5).double()
    theta = reference.array(stack.theta)
    z = reference.soft_threshold(reference.convolve(reference.array(x), stack.c0), theta)
    for block in stack.blocks:
        rest = reference.array(x) - reference.convolve(z, block.c1)
        step = reference.convolve(rest, block.c2) + stack.lam.item() * z
        z = reference.soft_threshold(step, theta)
    close(stack(x), z)


def test_thresholds_start_uniform_between_zero_and_one() -> None:
    torch.manual_seed(0)
    stack = LLRRStack(1, width=2000, blocks=1)
    theta = stack.theta.detach()
    assert 0 <= theta.min() < 0.01 and 0.99 < theta.max() < 1
    assert abs(theta.mean().item() - 0.5) < 0.02 and 0 <= stack.lam.item() < 1


def test_stack_keys_and_shapes_are_those_of_the_published_file() -> None:
    stack = LLRRStack(1, width=128, blocks=4)
    shapes = {official_key(key): tuple(v.shape) for key, v in stack.state_dict().items()}
    expected: dict[str, tuple[int, ...]] = {"lamj": (1, 256), "lamz": (1, 1)}
    expected |= {"conv_W00.conv2d.weight": (256, 1, 3, 3), "conv_W00.conv2d.bias": (256,)}
    for block in range(4):
        to_signal, to_code = (f"lrrblock{block}.conv_{n}.conv2d." for n in ("Wdz", "Wdtz"))
        expected |= {to_signal + "weight": (1, 256, 3, 3), to_signal + "bias": (1,)}
        expected |= {to_code + "weight": (256, 1, 3, 3), to_code + "bias": (256,)}
    assert shapes == expected
    with pytest.raises(ValueError, match=r"'c3\.weight' is no key of an LLRRStack"):
        official_key("c3.weight")


def test_image_network_has_the_papers_parameters() -> None:
    """49,204 in Table 7: two stacks of c = 1, n = 128, four n -> c convolutions, two 2c -> c."""
    stack = sum(p.numel() for p in LLRRStack(1, width=128, blocks=4).parameters())
    assert 2 * stack + 4 * (128 * 9 + 1) + 2 * (2 * 9 + 1) == 49_204


def test_tracker_fusion_is_stack_convolution_concatenation_convolution() -> None:
    torch.manual_seed(0)
    fusion = create_fusion("llrr", 4, width=3, blocks=2).double()
    rgb, tir = torch.randn(1, 4, 4, 3).double(), torch.randn(1, 4, 4, 3).double()
    coded = [
        reference.convolve(reference.array(stack(x)), conv)
        for stack, conv, x in [
            (fusion.extract_rgb, fusion.conv_rgb, rgb),
            (fusion.extract_tir, fusion.conv_tir, tir),
        ]
    ]
    both = reference.np.concatenate(coded, axis=1)
    close(fusion(rgb, tir), reference.convolve(both, fusion.conv_fused))


def test_light_fusion_corrects_the_mean() -> None:
    torch.manual_seed(0)
    fusion = create_fusion("llrr_light", 6, width=2).double()
    rgb, tir = torch.randn(1, 6, 4, 3).double(), torch.randn(1, 6, 4, 3).double()
    codes = [
        reference.array(stack(torch.from_numpy(reference.convolve(reference.array(x), reduce))))
        for stack, reduce, x in [
            (fusion.stack_rgb, fusion.reduce_rgb, rgb),
            (fusion.stack_tir, fusion.reduce_tir, tir),
        ]
    ]
    correction = reference.convolve(reference.np.concatenate(codes, axis=1), fusion.expand)
    close(fusion(rgb, tir), reference.array((rgb + tir) / 2) + correction)


def test_rfn_is_a_direct_and_a_residual_path() -> None:
    torch.manual_seed(0)
    fusion = create_fusion("rfn", 4).double()
    for part in fusion.modules():
        if isinstance(part, nn.BatchNorm2d):  # make every number of it count
            for tensor in (part.running_mean, part.running_var, part.weight, part.bias):
                nn.init.uniform_(tensor, 0.5, 1.5)
    fusion.eval()
    rgb, tir = torch.randn(2, 4, 4, 3).double(), torch.randn(2, 4, 4, 3).double()

    def layer(x: reference.Array, part: nn.Module) -> reference.Array:
        conv, norm = part
        return reference.normalise(reference.convolve(x, conv), norm)

    def both(a: reference.Array, b: reference.Array) -> reference.Array:
        return reference.np.concatenate([a, b], axis=1)

    r, t = reference.array(rgb), reference.array(tir)
    deep = both(layer(r, fusion.conv_rgb), layer(t, fusion.conv_tir))
    for part in fusion.residual:
        deep = layer(deep, part)
    close(fusion(rgb, tir), layer(both(r, t), fusion.direct) + deep)


def test_ablation_extractors_have_the_papers_layers() -> None:
    plain = [part for part in plain_stack(1, 128) if isinstance(part, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in plain] == [(1, 256)] + [(256, 256)] * 7
    dense = [part for part in dense_stack(1, 128).modules() if isinstance(part, nn.Conv2d)]
    first, later = [(1, 64), (65, 64), (129, 128)], [(128, 64), (192, 64), (256, 128)]
    expected = first + later + later + later[:2]
    assert [(c.in_channels, c.out_channels) for c in dense] == expected
    assert dense_channels(1, 128) == 256


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("blocks", [1, 2])
def test_dense_stack_gives_the_channels_it_announces(width: int, blocks: int) -> None:
    stack = dense_stack(3, width, blocks)
    assert stack(torch.randn(1, 3, 4, 4)).shape[1] == dense_channels(3, width, blocks)
    assert create_fusion("dense", 3, width=width, blocks=blocks)(*torch.randn(2, 1, 3, 4, 4)).ndim


@pytest.mark.parametrize("kernel", [2, 0, -3, 3.0])
@pytest.mark.parametrize("name", ["llrr", "llrr_light", "concat", "spatial", "conv8", "dense"])
def test_bad_kernels_are_refused(name: str, kernel: int) -> None:
    with pytest.raises(ValueError, match="kernel is"):
        create_fusion(name, 8, kernel=kernel)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("llrr", "width"),
        ("llrr", "blocks"),
        ("llrr_light", "width"),
        ("llrr_light", "blocks"),
        ("conv8", "width"),
        ("conv8", "layers"),
        ("dense", "width"),
        ("dense", "blocks"),
        ("gated", "reduction"),
        ("spatial", "reduction"),
    ],
)
def test_counts_that_are_none_are_refused(name: str, argument: str) -> None:
    for value in (0, -1, 1.5, True, "4"):
        with pytest.raises(ValueError, match=f"{argument} is {value!r}; expected a whole number"):
            create_fusion(name, 8, **{argument: value})


def test_stack_refuses_maps_too_small_for_reflection() -> None:
    with pytest.raises(ValueError, match=r"LLRRStack got a map of 2x9; .* at least 3x3"):
        LLRRStack(1, width=2, kernel=5)(torch.randn(1, 1, 2, 9))


@pytest.mark.parametrize(
    ("name", "channels", "giga"),
    [
        ("llrr", 256, 12.5),
        ("conv8", 256, 11.3),
        ("dense", 256, 4.2),
        ("llrr_light", 256, 0.42),
        ("llrr_light", 96, 0.06),
        ("llrr_light", 64, 0.03),
    ],
)
def test_documented_costs(name: str, channels: int, giga: float) -> None:
    """Multiplications a level of 31x31, as the docstrings round them."""
    fusion = create_fusion(name, channels).to("meta")
    x = torch.empty(1, channels, 31, 31, device="meta")
    with FlopCounterMode(display=False) as counter:
        fusion(x, x)
    digits = len(str(giga).split(".")[1])
    assert round(counter.get_total_flops() / 2e9, digits) == giga
    assert f"{giga} G" in " ".join((FUSIONS[name].__doc__ or "").split())
