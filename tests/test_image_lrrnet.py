"""LRRNet against a loop-written twin under the authors' names, its file, tiles and ablations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fusion_references as reference
import image_references as twin
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fusion_modules.image import LRRNet, fuse_tiled, min_max, parts_tiled, to_uint8
from fusion_modules.image.official_weights import is_official, official_name


def images(height: int = 6, width: int = 5, batch: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    shape = (batch, 1, height, width)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


def official_state(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the authors' names, one threshold negative as in their file."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        official_name(key): torch.randn(value.shape, generator=generator)
        / max(value[0].numel(), 9) ** 0.5
        for key, value in network.state_dict().items()
    }
    for number in (1, 2):
        state[f"get_ls{number}.lamj"] = state[f"get_ls{number}.lamj"].abs()
        state[f"get_ls{number}.lamj"][0, 3] = -0.05
    return state


def test_parameters_are_the_papers() -> None:
    counts = {b: sum(p.numel() for p in LRRNet(blocks=b).parameters()) for b in (2, 4, 6, 8)}
    assert counts == {2: 29_744, 4: 49_204, 6: 68_664, 8: 88_124}


def test_forward_is_the_authors_network_loop_by_loop(tmp_path: Path) -> None:
    """A file with the official names loads and gives what the equations give, to 1e-5."""
    state = official_state(LRRNet())
    torch.save(state, tmp_path / "authors.model")
    network = LRRNet.from_official(tmp_path / "authors.model")
    assert not network.training
    visible, infrared = images()
    expected = twin.official_lrrnet(
        state, reference.array(infrared[0]), reference.array(visible[0])
    )
    torch.testing.assert_close(
        network(visible, infrared)[0].double(), torch.from_numpy(expected), atol=1e-5, rtol=1e-5
    )


def test_gradient_is_that_of_the_twin() -> None:
    """Central differences of the loop-written network, at one number of every kind of weight."""
    network = LRRNet(width=2, blocks=2).double()
    state = {key: value.double() for key, value in official_state(network).items()}
    network.load_state_dict({key: state[official_name(key)] for key in network.state_dict()})
    visible, infrared = (x.double() for x in images(4, 3))
    probe = torch.randn(1, 1, 4, 3, generator=torch.Generator().manual_seed(1)).double()
    (network(visible, infrared) * probe).sum().backward()
    for key, parameter in network.named_parameters():
        name, values = official_name(key), []
        for step in (1e-6, -1e-6):
            moved = {**state, name: state[name].clone()}
            moved[name].view(-1)[0] += step
            out = twin.official_lrrnet(moved, infrared[0].numpy(), visible[0].numpy())
            values.append((out * probe[0].numpy()).sum())
        assert parameter.grad is not None
        expected = (values[0] - values[1]) / 2e-6
        assert parameter.grad.view(-1)[0].item() == pytest.approx(expected, abs=1e-6), key


def test_files_of_data_parallel_load_and_keys_are_known(tmp_path: Path) -> None:
    state = official_state(LRRNet())
    wrapped = {f"module.{key}": value for key, value in state.items()}
    assert is_official(state) and is_official(wrapped) and not is_official({"theta": 1})
    torch.save(wrapped, tmp_path / "wrapped.model")
    loaded = LRRNet.from_official(tmp_path / "wrapped.model")
    assert torch.equal(loaded.stack_infrared.lam, state["get_ls1.lamz"])
    with pytest.raises(ValueError, match="'theta' is no key of LRRNet"):
        official_name("theta")


def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    def refusal(content: object) -> str:
        torch.save(content, tmp_path / "file.model")
        with pytest.raises(ValueError) as caught:
            LRRNet.from_official(tmp_path / "file.model")
        assert "\n" not in str(caught.value) and "file.model" in str(caught.value)
        return str(caught.value)

    state = official_state(LRRNet())
    narrow = official_state(LRRNet(width=64))
    assert "get_ls1.lamj has shape (1, 128)" in refusal(narrow)
    assert "(1, 256)" in refusal(narrow)
    missing = {key: value for key, value in state.items() if "conv_ReH" not in key}
    assert "no tensor 'decoder.conv_ReH.conv2d.weight'" in refusal(missing)
    eight = official_state(LRRNet(blocks=8))
    assert "get_ls1.lrrblock4.conv_Wdtz.conv2d.bias is no part of LRRNet with 4" in refusal(eight)
    assert "no tensor 'get_ls1.lamj'" in refusal({**state, "get_ls1.lamj": 3})
    assert "holds a list" in refusal([1, 2])
    assert "not a readable weights file" in refusal(Path("executes"))  # not a plain value
    (tmp_path / "text.model").write_text("no weights")
    with pytest.raises(ValueError, match="not a readable weights file"):
        LRRNet.from_official(tmp_path / "text.model")
    with pytest.raises(FileNotFoundError, match=r"no such weights file: .*nowhere\.model"):
        LRRNet.from_official(tmp_path / "nowhere.model")


def test_parts_add_up_to_the_fused_picture() -> None:
    network = LRRNet(width=4)
    visible, infrared = images(batch=2)
    parts = network.parts(visible, infrared)
    assert tuple(parts) == LRRNet.part_names
    together = parts["low_rank_fused"] + parts["sparse_fused"]
    torch.testing.assert_close(together, network(visible, infrared))
    code = network.stack_visible(visible)
    assert torch.equal(parts["low_rank_visible"], network.low_visible(code[:, :4]))
    assert torch.equal(parts["sparse_visible"], network.sparse_visible(code[:, 4:]))


@pytest.mark.parametrize("extractor", ["llrr", "conv8", "dense"])
@pytest.mark.parametrize(("size", "tile"), [((50, 41), 16), ((33, 64), 20), ((9, 70), 64)])
def test_tiles_leave_no_seams(extractor: str, size: tuple[int, int], tile: int) -> None:
    network = LRRNet(width=4, extractor=extractor).double()
    visible, infrared = (x.double() for x in images(*size, batch=2))
    with torch.no_grad():
        whole = network(visible, infrared)
        torch.testing.assert_close(fuse_tiled(network, visible, infrared, tile), whole)
        parts = parts_tiled(network, visible, infrared, tile)
        for name, part in network.parts(visible, infrared).items():
            torch.testing.assert_close(parts[name], part)


@pytest.mark.parametrize("extractor", ["llrr", "conv8", "dense"])
def test_margin_is_exactly_how_far_a_pixel_reaches(extractor: str) -> None:
    network = LRRNet(width=4, extractor=extractor).double()
    with torch.no_grad():  # positive weights, so that no ReLU hides the way
        for parameter in network.parameters():
            parameter.abs_()
    reach = network.margin
    visible, infrared = (x.double() for x in images(2 * reach + 5, 3))
    visible.requires_grad_()
    network(visible, infrared)[0, 0, reach + 2, 1].backward()
    assert visible.grad is not None
    rows = visible.grad[0, 0].abs().sum(dim=1)
    assert rows[2] > 0 and rows[-3] > 0 and not rows[:2].any() and not rows[-2:].any()


def test_tiles_beside_each_other() -> None:
    network = LRRNet(width=4)
    visible, infrared = images(50, 41)
    with ThreadPoolExecutor(3) as executor:
        fused = fuse_tiled(network, visible, infrared, 16, executor)
        assert fused.requires_grad and torch.equal(
            fused, fuse_tiled(network, visible, infrared, 16)
        )
        with torch.inference_mode():
            assert fuse_tiled(network, visible, infrared, 16, executor).is_inference()
        parts = parts_tiled(network, visible, infrared, 16, executor)
        assert torch.equal(parts["low_rank_fused"] + parts["sparse_fused"], fused)


def test_tile_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="tile is 0; expected a whole number"):
        fuse_tiled(LRRNet(width=2), *images(), tile=0)


def test_ablations_differ_only_in_the_extractor() -> None:
    names = {
        extractor: {key for key, _ in LRRNet(width=4, extractor=extractor).named_children()}
        for extractor in ("llrr", "conv8", "dense")
    }
    assert names["llrr"] == names["conv8"] == names["dense"]
    eight = [m for m in LRRNet(extractor="conv8").stack_visible if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in eight] == [256] * 8
    with pytest.raises(ValueError, match="extractor is 'dens'; valid: llrr, conv8, dense"):
        LRRNet(extractor="dens")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs an even width"):
        LRRNet(width=3, extractor="dense")


def test_bad_pictures_are_refused() -> None:
    network = LRRNet(width=2)
    visible, infrared = images()
    broken = infrared.clone()
    broken[0, 0, 0, 0] = torch.inf
    for bad_visible, bad_infrared, message in [
        (visible, infrared[..., :-1], "visible has shape .* but infrared"),
        (visible.expand(-1, 3, -1, -1), infrared.expand(-1, 3, -1, -1), "fuse the luminance"),
        (visible[0], infrared[0], r"expected \(B, C, H, W\)"),
        (visible.byte(), infrared.byte(), r"expected floating point in \[0, 1\]"),
        (visible[..., :1], infrared[..., :1], "at least 2x2"),
        (visible, broken, "1 of 30 values of infrared"),
    ]:
        for call in (network, network.parts, lambda v, i: fuse_tiled(network, v, i)):
            with pytest.raises(ValueError, match=message):
                call(bad_visible, bad_infrared)


def test_min_max_is_the_authors_scaling() -> None:
    pixels = torch.tensor([[10.0, 20.0], [60.0, 110.0]]).expand(2, 1, 2, 2) * torch.tensor(
        [1.0, 2.0]
    ).view(2, 1, 1, 1)
    scaled = min_max(pixels)
    for item, (low, high) in enumerate([(10, 110), (20, 220)]):
        for index in np.ndindex(2, 2):
            expected = (pixels[item, 0][index] - low) / (high - low + 1e-5)
            assert scaled[item, 0][index] == pytest.approx(expected.item())
    assert to_uint8(pixels)[0].flatten().tolist() == [0, 25, 127, 254]  # truncated, not rounded
    assert not min_max(torch.full((1, 1, 2, 2), 7.0)).any()
