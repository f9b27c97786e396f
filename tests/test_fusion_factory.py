"""Names, dotted paths, pyramids, tokens, and what importing the package pulls in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fusion_modules import FUSIONS, Fusion, FusionPyramid, TokenFusion, create_fusion

OUTSIDER = """
import torch
from fusion_modules import Fusion

class Maximum(Fusion):
    def __init__(self, channels, *, scale=1.0, **options):
        super().__init__(channels, **options)
        self.scale = scale
    def fuse(self, rgb, tir):
        return self.scale * torch.maximum(rgb, tir)

class Plain(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
    def forward(self, rgb, tir):
        return rgb - tir

class Needy(Plain):
    def __init__(self, channels, size):
        super().__init__(channels)
        self.size = size + "2"

def not_a_module(channels):
    return channels
"""


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


@pytest.fixture
def outsider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "outsider_fusions.py").write_text(OUTSIDER)
    (tmp_path / "outsider_broken.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "outsider_fusions", raising=False)
    return "outsider_fusions"


@pytest.mark.parametrize("name", FUSIONS)
def test_every_name_builds_its_class(name: str) -> None:
    fusion = create_fusion(name, channels=8)
    assert type(fusion) is FUSIONS[name] and issubclass(FUSIONS[name], Fusion)
    assert FUSIONS[name].__doc__ and FUSIONS[name].__doc__ != Fusion.__doc__
    twin = create_fusion(f"{FUSIONS[name].__module__}:{FUSIONS[name].__name__}", channels=8)
    assert type(twin) is type(fusion)


def test_an_outsiders_class_is_a_fusion_like_any_other(outsider: str) -> None:
    rgb, tir = pair(2, 4, 3, 3)
    fusion = create_fusion(f"{outsider}:Maximum", 4, scale=2.0)
    assert torch.equal(fusion(rgb, tir), 2 * torch.maximum(rgb, tir))
    gentle = create_fusion(f"{outsider}:Maximum", 4, start="mean")
    assert torch.equal(gentle(rgb, tir), (rgb + tir) / 2)
    with pytest.raises(ValueError, match="Maximum got maps of shape"):
        fusion(rgb[:, :3], tir[:, :3])
    assert torch.equal(create_fusion(f"{outsider}:Plain", 4)(rgb, tir), rgb - tir)
    assert FusionPyramid(f"{outsider}:Plain", [4])([rgb], [tir])[0].shape == rgb.shape


def test_an_outsiders_arguments_are_refused_but_its_faults_are_not_hidden(outsider: str) -> None:
    with pytest.raises(ValueError, match=r"'scael'.*; valid arguments: scale, \*\*options"):
        create_fusion(f"{outsider}:Maximum", 4, scael=2.0)
    with pytest.raises(ValueError, match=r"missing a required argument: 'size'"):
        create_fusion(f"{outsider}:Needy", 4)
    with pytest.raises(TypeError, match="unsupported operand"):
        create_fusion(f"{outsider}:Needy", 4, size=2)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_package:Class", "cannot import 'no_such_package'.*PYTHONPATH"),
        ("outsider_broken:Class", "cannot import 'outsider_broken'.*no_such_dependency"),
        ("outsider_fusions:Maximun", "no class 'Maximun' .did you mean 'Maximum'"),
        ("outsider_fusions:", "no class ''"),
        (":Maximum", "cannot import ''"),
        ("outsider_fusions:not_a_module", "gave a int; expected an nn.Module"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(outsider: str, path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        create_fusion(path, 4)
    assert "\n" not in str(refusal.value)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown fusion 'lrrr' \(did you mean 'llrr'\?\)") as e:
        create_fusion("lrrr", 8)
    assert all(name in str(e.value) for name in FUSIONS) and "package.module:Class" in str(e.value)
    with pytest.raises(ValueError, match="fusion is 7; expected a name"):
        create_fusion(7, 8)  # type: ignore[arg-type]


def test_arguments_a_fusion_lacks_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'blokcs' \(did you mean 'blocks'\?\); valid .*width"):
        create_fusion("llrr", 8, blokcs=2)
    with pytest.raises(ValueError, match=r"fusion 'mean'.*valid arguments: start, check_finite"):
        create_fusion("mean", 8, blocks=2)
    with pytest.raises(ValueError, match="'rgb'"):
        create_fusion("mean", 8, rgb=2)
    with pytest.raises(ValueError, match="start is 'zero'; valid: random, mean"):
        create_fusion("mean", 8, start="zero")
    for channels in (0, -4, 2.0, "8", None):
        with pytest.raises(ValueError, match=f"channels is {channels!r}; expected a whole number"):
            create_fusion("llrr", channels)  # type: ignore[arg-type]


def test_a_fusion_without_fuse_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Fusion must define fuse\(rgb, tir\)"):
        Fusion(4)(*pair(1, 4, 2, 2))


def test_channels_may_be_numpys() -> None:
    fuse = create_fusion("concat", channels=np.int64(6), start="mean")
    assert type(fuse.channels) is int and fuse(*pair(1, 6, 3, 3)).shape == (1, 6, 3, 3)


def test_a_missing_modality_is_told() -> None:
    with pytest.raises(ValueError, match="MeanFusion got tir as NoneType; expected a tensor"):
        create_fusion("mean", channels=6)(torch.zeros(1, 6, 3, 3), None)


def test_pyramid_fuses_level_by_level() -> None:
    torch.manual_seed(0)
    pyramid = FusionPyramid("concat", channels=[4, 6, 8], kernel=3).double()
    rgb = [torch.randn(2, c, 6 - i, 5).double() for i, c in enumerate((4, 6, 8))]
    tir = [torch.randn_like(x) for x in rgb]
    fused = pyramid(rgb, tuple(tir))
    assert isinstance(fused, list)
    for level, r, t, f in zip(pyramid.levels, rgb, tir, fused, strict=True):
        assert torch.equal(level(r, t), f)
    first, last = pyramid.levels[0], pyramid.levels[2]
    assert isinstance(first, nn.Module) and first.conv.weight.shape != last.conv.weight.shape


def test_pyramid_refuses_other_numbers_of_levels() -> None:
    pyramid = FusionPyramid("mean", channels=[4, 4])
    levels = [pair(1, 4, 2, 2)[0]] * 3
    with pytest.raises(ValueError, match=r"rgb came as 3 levels; .* list of 2"):
        pyramid(levels, levels)
    with pytest.raises(ValueError, match="tir came as 1 levels"):
        pyramid(levels[:2], levels[:1])
    with pytest.raises(ValueError, match="rgb came as one tensor"):
        pyramid(torch.zeros(2, 4, 2, 2), torch.zeros(2, 4, 2, 2))
    for channels in ([], 256):
        with pytest.raises(ValueError, match="expected one number per level"):
            FusionPyramid("mean", channels)  # type: ignore[arg-type]


@pytest.mark.parametrize(("grid", "given"), [((3, 5), (3, 5)), ((5, 3), (5, 3)), ((4, 4), None)])
def test_tokens_are_a_map_row_by_row(grid: tuple[int, int], given: tuple[int, int] | None) -> None:
    torch.manual_seed(0)
    fuse = TokenFusion("concat", channels=6, kernel=3)
    rgb, tir = pair(2, grid[0] * grid[1], 6)
    maps = [torch.zeros(2, 6, *grid), torch.zeros(2, 6, *grid)]
    for map_, tokens in zip(maps, (rgb, tir), strict=True):
        for n in range(tokens.shape[1]):
            map_[:, :, n // grid[1], n % grid[1]] = tokens[:, n]
    fused, expected = fuse(rgb, tir, grid=given), fuse.fusion(*maps)
    assert fused.shape == rgb.shape
    for n in range(rgb.shape[1]):
        torch.testing.assert_close(fused[:, n], expected[:, :, n // grid[1], n % grid[1]])


def test_tokens_that_fill_no_grid_are_refused() -> None:
    fuse = TokenFusion("mean", channels=6)
    with pytest.raises(ValueError, match="12 tokens do not fill a square grid; give grid"):
        fuse(*pair(1, 12, 6))
    with pytest.raises(ValueError, match=r"17 tokens do not fill grid=\(4, 4\).*class or register"):
        fuse(*pair(1, 17, 6), grid=(4, 4))
    with pytest.raises(ValueError, match="do not fill grid"):
        fuse(*pair(1, 12, 6), grid=(-3, -4))
    for grid in (12, (12,), (3.0, 4.0)):
        with pytest.raises(ValueError, match=r"grid is .*; expected two whole numbers, \(H, W\)"):
            fuse(*pair(1, 12, 6), grid=grid)
    with pytest.raises(ValueError, match=r"expected \(B, N, C\)"):
        fuse(*pair(1, 6, 4, 3))
    with pytest.raises(ValueError, match=r"rgb has shape \(1, 4, 6\) but tir \(1, 9, 6\)"):
        fuse(pair(1, 4, 6)[0], pair(1, 9, 6)[1])
    with pytest.raises(ValueError, match="C = 6"):
        fuse(*pair(1, 4, 5))


def test_import_brings_torch_and_nothing_of_the_tracker() -> None:
    """In a fresh interpreter, every module of the package, by name and not by this list."""
    code = (
        "import pkgutil, sys, importlib, torch\n"
        "before = set(sys.modules)\n"
        "import fusion_modules\n"
        "for module in pkgutil.walk_packages(fusion_modules.__path__, 'fusion_modules.'):\n"
        "    importlib.import_module(module.name)\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names) - {'torch'}))\n"
    )
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["fusion_modules"]
