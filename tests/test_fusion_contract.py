"""One contract for every registered fusion, with both starts."""

from __future__ import annotations

import copy
import io
import warnings

import pytest
import torch
from torch import Tensor

from fusion_modules import FUSIONS, Fusion, create_fusion

CHANNELS = 12
LEARNED = [name for name in FUSIONS if name != "mean"]
CASES = [(name, start) for name in FUSIONS for start in ("random", "mean")]
every_fusion = pytest.mark.parametrize(("name", "start"), CASES)


def maps(
    seed: int = 0, *, batch: int = 2, side: tuple[int, int] = (7, 6), channels: int = CHANNELS
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, channels, *side)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


def build(name: str, start: str = "random", channels: int = CHANNELS) -> Fusion:
    """A fusion with its gate, where it has one, opened unevenly: as it is after some training."""
    torch.manual_seed(0)
    fusion = create_fusion(name, channels, start=start)
    assert isinstance(fusion, Fusion)
    if fusion.gate is not None:
        with torch.no_grad():
            fusion.gate.copy_(torch.linspace(0.3, 1.2, channels))
    return fusion


@every_fusion
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_and_dtype(name: str, start: str, dtype: torch.dtype) -> None:
    fusion = build(name, start).to(dtype).eval()
    rgb, tir = (x.to(dtype) for x in maps())
    before = rgb.clone(), tir.clone()
    fused = fusion(rgb, tir)
    assert fused.shape == rgb.shape and fused.dtype == dtype and fused.isfinite().all()
    assert torch.equal(rgb, before[0]) and torch.equal(tir, before[1])


@every_fusion
def test_gradients_reach_both_modalities_and_every_parameter(name: str, start: str) -> None:
    fusion = build(name, start).double().eval()  # in training, a batch norm undoes a former's bias
    rgb, tir = (x.double().requires_grad_() for x in maps())
    (fusion(rgb, tir) * maps(1)[0]).sum().backward()
    for what, tensor in [("rgb", rgb), ("tir", tir), *fusion.named_parameters()]:
        assert tensor.grad is not None and tensor.grad.isfinite().all(), what
        assert tensor.grad.abs().max() > 1e-9, what


@every_fusion
def test_items_of_a_batch_are_independent(name: str, start: str) -> None:
    fusion = build(name, start).double().eval()
    rgb, tir = (x.double() for x in maps(batch=3))
    together = fusion(rgb, tir)
    alone = torch.cat([fusion(rgb[i : i + 1], tir[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


@every_fusion
def test_both_modalities_matter(name: str, start: str) -> None:
    fusion = build(name, start).eval()
    rgb, tir = maps()
    fused = fusion(rgb, tir)
    assert not torch.allclose(fusion(rgb + 1.0, tir), fused, atol=1e-3)
    assert not torch.allclose(fusion(rgb, tir + 1.0), fused, atol=1e-3)


@every_fusion
def test_state_is_saved_and_loaded(name: str, start: str) -> None:
    fusion = build(name, start)
    fusion(*maps())  # moves the running statistics where there are any
    file = io.BytesIO()
    torch.save(fusion.state_dict(), file)
    file.seek(0)
    other = create_fusion(name, CHANNELS, start=start)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.eval()(*maps(1)), fusion.eval()(*maps(1)))


@every_fusion
@pytest.mark.parametrize("incoming", [torch.float32, torch.bfloat16])
def test_autocast(name: str, start: str, incoming: torch.dtype) -> None:
    fusion = build(name, start).eval()
    rgb, tir = maps()
    exact = fusion(rgb, tir)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = fusion(rgb.to(incoming).requires_grad_(), tir.to(incoming))
        rough.float().square().mean().backward()
    assert rough.dtype in (torch.bfloat16, incoming)
    assert (rough.float() - exact).abs().mean() < 0.03 * exact.abs().mean()
    assert all(p.grad is not None and p.grad.dtype == p.dtype for p in fusion.parameters())


@every_fusion
def test_traced_equals_eager(name: str, start: str) -> None:
    fusion = build(name, start).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.simplefilter("error", torch.jit.TracerWarning)
        traced = torch.jit.trace(fusion, maps())
        other = maps(1, batch=1, side=(9, 5))
        torch.testing.assert_close(traced(*other), fusion(*other))


@pytest.mark.parametrize("name", ["llrr", "rfn"])
def test_exported_equals_eager(name: str) -> None:
    fusion = build(name, "mean").eval()
    exported = torch.export.export(fusion, maps()).module()
    torch.testing.assert_close(exported(*maps(1)), fusion(*maps(1)))


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_start_mean_is_exactly_the_mean(name: str, dtype: torch.dtype) -> None:
    fusion = create_fusion(name, CHANNELS, start="mean").to(dtype)
    rgb, tir = (x.to(dtype) for x in maps())
    assert torch.equal(fusion(rgb, tir), (rgb + tir) / 2)


@pytest.mark.parametrize("name", LEARNED)
def test_start_mean_can_leave_the_mean(name: str) -> None:
    """At first the gate alone learns; opened to one, nothing of the mean is left."""
    fusion = create_fusion(name, CHANNELS, start="mean").eval()
    rgb, tir = maps()
    (fusion(rgb, tir) * maps(1)[0]).sum().backward()
    moved = {key for key, p in fusion.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"gate"}
    torch.nn.init.ones_(fusion.gate)
    torch.testing.assert_close(fusion(rgb, tir), fusion.fuse(rgb, tir))


@pytest.mark.parametrize("start", ["random", "mean"])
@pytest.mark.parametrize("name", LEARNED)
def test_one_batch_is_overfitted(name: str, start: str) -> None:
    """Twenty times nearer to the target, as squared errors go, than where training began."""
    torch.manual_seed(0)
    fusion = create_fusion(name, 8, start=start)
    rgb, tir = maps(channels=8, batch=1, side=(4, 4))
    target = reachable_target(name, rgb, tir)
    rate = 0.05 if name in ("gated", "concat") else 0.01  # the shallow ones stand more
    optimiser = torch.optim.Adam(fusion.parameters(), lr=rate)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.mse_loss(fusion(rgb, tir), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses) < losses[0] / 20


def reachable_target(name: str, rgb: Tensor, tir: Tensor) -> Tensor:
    """RGB in the left half (``spatial``) or the first half of channels (``gated``), else infrared.

    These two only choose between the modalities; the others can give anything, so: another map.
    """
    if name == "spatial":
        return torch.where(torch.arange(4) < 2, rgb, tir)
    if name == "gated":
        return torch.where(torch.arange(8).view(-1, 1, 1) < 4, rgb, tir)
    return maps(7, channels=8, batch=1, side=(4, 4))[0]


@every_fusion
def test_bad_input_is_refused(name: str, start: str) -> None:
    fusion = build(name, start)
    rgb, tir = maps()
    broken = tir.clone()
    broken[0, 0, 0, 0] = torch.nan
    for bad_rgb, bad_tir, message in [
        (rgb, tir[..., :-1], r"rgb has shape \(2, 12, 7, 6\) but tir \(2, 12, 7, 5\)"),
        (rgb, tir.double(), "rgb is torch.float32 on cpu but tir torch.float64"),
        (rgb, tir.to("meta"), "on cpu but tir torch.float32 on meta"),
        (rgb[0], tir[0], r"expected \(B, C, H, W\) with C = 12"),
        (rgb[:, :5], tir[:, :5], r"shape \(2, 5, 7, 6\); expected .* C = 12"),
        (rgb.int(), tir.int(), r"got torch.int32; expected floating point: call .float\(\)"),
        (rgb[..., :0], tir[..., :0], "got a map of 7x0"),
        (rgb, broken, "1 of 1008 values of tir are NaN or infinite"),
    ]:
        with pytest.raises(ValueError, match=message) as refusal:
            fusion(bad_rgb, bad_tir)
        assert "\n" not in str(refusal.value)


@every_fusion
def test_small_maps_work_or_are_refused(name: str, start: str) -> None:
    """Reflection needs 2x2 for a 3x3 kernel; what has no such kernel takes a single position."""
    fusion = build(name, start).eval()
    smallest = 1 if name in ("mean", "concat", "gated") else 2
    assert fusion(*maps(side=(smallest, smallest))).isfinite().all()
    if smallest == 2:
        with pytest.raises(ValueError, match="1x5; its reflection padding needs at least 2x2"):
            fusion(*maps(side=(1, 5)))


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_each_non_finite_value_is_refused_and_can_be_let_through(value: float) -> None:
    fusion = build("mean")
    rgb, tir = maps()
    rgb[0, 0, 0, 0], rgb[0, 0, 0, 1] = value, -value
    with pytest.raises(ValueError, match="2 of 1008 values of rgb"):
        fusion(rgb, tir)
    fusion.check_finite = False
    assert not fusion(rgb, tir).isfinite().all()
    assert not create_fusion("mean", CHANNELS, check_finite=False)(rgb, tir).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_huge_finite_values_are_no_false_alarm(dtype: torch.dtype) -> None:
    """Their plain sum overflows in their own dtype."""
    huge = torch.full((1, CHANNELS, 4, 4), torch.finfo(dtype).max, dtype=dtype)
    assert not huge.sum().isfinite()
    assert torch.equal(build("mean")(huge, huge), huge)


def test_copies_are_independent() -> None:
    """No tensor is shared between instances or between the modalities of one."""
    fusion = build("llrr")
    before = copy.deepcopy(fusion.state_dict())
    with torch.no_grad():
        for parameter in copy.deepcopy(fusion).parameters():
            parameter.add_(1.0)
        next(fusion.extract_rgb.parameters()).add_(1.0)
    changed = {key for key, value in fusion.state_dict().items() if not value.equal(before[key])}
    assert len(changed) == 1 and next(iter(changed)).startswith("extract_rgb.")
