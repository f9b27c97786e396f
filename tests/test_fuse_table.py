"""``fuse-table``, ``fuse --figure`` and ``info``: the tables and figures of LRRNet."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Run

from fusion_modules.image import IMAGE_NETWORKS
from fusion_modules.image.metrics import METRICS, fusion_metrics
from rgbt_track.image_fusion.fuser import Fuser
from rgbt_track.image_fusion.published import check_pairs, published_row, read_pair_names
from rgbt_track.image_fusion.thresholds import read_thresholds
from rgbt_track.image_fusion.training.ablation import vary
from rgbt_track.io.images import write_image
from rgbt_track.models.image_networks import (
    build_image_network,
    load_image_network,
    save_image_weights,
    shipped_image_weights,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs named as the paper's, fused images of another program, and a tiny network."""
    root = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    for number in (1, 2):
        visible = cv2.resize(rng.integers(0, 256, (6, 8), np.uint8), (40, 32))
        infrared = cv2.resize(rng.integers(0, 256, (6, 8), np.uint8), (40, 32))
        for folder, name, image in (
            ("vis", f"VIS{number}", visible),
            ("ir", f"IR{number}", infrared),
            ("theirs", f"fused{number}", visible // 2 + infrared // 2),
        ):
            (root / folder).mkdir(exist_ok=True)
            write_image(root / folder / f"{name}.png", image)
    save_image_weights(
        root / "tiny.safetensors",
        build_image_network("lrrnet", {"width": 4}),
        "lrrnet",
        {"width": 4},
    )
    return root


def sources(root: Path) -> tuple[str, ...]:
    return "--rgb", str(root / "vis"), "--tir", str(root / "ir")


def test_networks_the_mean_and_other_programs_share_a_table(run: Run, root: Path) -> None:
    out = root / "table.csv"
    tiny = str(root / "tiny.safetensors")
    others = (f"DenseFuse={root / 'theirs'}",)
    code, _, err = run("fuse-table", *others, *sources(root), "--network", tiny, "--csv", out)
    assert code == 0, err
    rows = {row["name"]: row for row in csv.DictReader(out.open())}
    assert list(rows) == [tiny, "mean of both images", "DenseFuse"]
    network = build_image_network("lrrnet", {"width": 4})
    assert int(rows[tiny]["parameters"]) == sum(p.numel() for p in network.parameters())
    assert float(rows[tiny]["seconds_per_pair"]) > 0
    assert rows["DenseFuse"]["parameters"] == "74193"  # Table 7's, of the same network
    images = [
        [cv2.imread(str(root / f / f"{n}{i}.png"), cv2.IMREAD_GRAYSCALE) for f, n in names]
        for i in (1, 2)
        for names in [(("vis", "VIS"), ("ir", "IR"), ("theirs", "fused"))]
    ]
    means = [((v.astype(int) + i) // 2).astype(np.uint8) for v, i, _ in images]
    for name, fused in (("mean of both images", means), ("DenseFuse", [f for *_, f in images])):
        scores = [fusion_metrics(f, v, i) for f, (v, i, _) in zip(fused, images, strict=True)]
        for key in METRICS:
            expected = sum(score[key] for score in scores) / 2
            assert float(rows[name][key]) == pytest.approx(expected, abs=1e-5), (name, key)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "tno21"], "--set tno21 has 21 pairs, --rgb is 2 images"),
        (["--set", "tno"], "unknown set of pairs 'tno', did you mean 'tno21'"),
        (["--network", "lrrnett"], "shipped for 'lrrnett', did you mean 'lrrnet'"),
        (["--network", "none.safetensors"], "no such weights file: none.safetensors"),
        (["U2Fusion"], "'U2Fusion': expected NAME=FOLDER"),
        (["U2Fusion=nowhere"], "nowhere"),
    ],
)
def test_a_table_that_cannot_be_is_one_line(
    run: Run, root: Path, options: list[str], message: str
) -> None:
    own = [] if "--network" in options else ["--network", str(root / "tiny.safetensors")]
    code, _, err = run("fuse-table", *options, *own, *sources(root))
    assert code == 1 and message in err and "Traceback" not in err


def test_the_papers_pairs_are_known_by_their_names() -> None:
    names = read_pair_names()
    assert len(names) == 42 and {"IR1", "VIS1", "IR21", "VIS21"} <= set(names)
    visible = [name for name in names if name.startswith("VIS")]
    check_pairs("tno21", visible)
    check_pairs("tno_vot40", [*visible, *(f"frame{i}v" for i in range(19))])
    with pytest.raises(ValueError, match="--set tno21: 'walk' is none of its files"):
        check_pairs("tno21", [*visible[:20], "walk"])
    with pytest.raises(ValueError, match="--set tno_vot40"):
        check_pairs("tno_vot40", [f"frame{i}v" for i in range(40)])
    row = published_row("tno_vot40")
    assert (row["En"], row["VIF"]) == (6.97205, 0.77659) and row["MI"] != row["MI"]


def test_the_parts_of_a_pair_as_one_picture(run: Run, root: Path, tmp_path: Path) -> None:
    figure = tmp_path / "parts.png"
    weights = ("--weights", str(root / "tiny.safetensors"))
    code, output, err = run("fuse", *sources(root), *weights, "--figure", figure)
    assert code == 0, err
    assert "parts of VIS1" in output and list(tmp_path.iterdir()) == [figure]
    image = cv2.imread(str(figure))
    assert image.shape[1] == 3 * 324 and image.shape[0] == 3 * (256 + 24)  # sources, six parts
    rows = (image[100 + 280 * row] for row in range(3))
    assert len({panel.tobytes() for row in rows for panel in np.split(row, 3)}) == 9
    code, _, err = run("fuse", *sources(root), *weights, "--network", "lrrnet", tmp_path / "out")
    assert code == 1 and "leave --network out" in err


def test_thresholds_are_those_of_the_stacks() -> None:
    network = build_image_network("lrrnet", {"width": 3})
    with torch.no_grad():
        network.stack_visible.theta.copy_(torch.tensor([[0.5, -0.25, 0.0, 1.0, 2.0, 3.0]]))
        network.stack_visible.lam.fill_(0.75)
    infrared, visible = read_thresholds(network)
    assert (infrared.name, visible.name) == ("stack_infrared", "stack_visible")
    assert visible.low_rank.tolist() == [0.5, -0.25, 0.0] and visible.sparse.tolist() == [1, 2, 3]
    assert str(visible) == (
        "stack_visible: low-rank 0.083 (-0.250 to 0.500, 2 of 3 not positive), "
        "sparse 2.000 (1.000 to 3.000, 0 of 3 not positive); lambda 0.750"
    )
    assert read_thresholds(build_image_network("lwc_densefuse", {})) == []


def test_info_of_an_image_network(run: Run, root: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = tmp_path / "thresholds.png"
    code, output, err = run("info", "lrrnet", "--figure", figure)
    assert code == 0, err
    assert "parameters: 49,204 (Table 7 of the paper: 49,204)" in output
    assert "stack_infrared: low-rank" in output and "# Model card: `lrrnet`" in output
    assert figure.stat().st_size > 1000
    code, output, _ = run("info", "lrrnet", "--weights", root / "tiny.safetensors")
    assert code == 0 and "weights: tiny.safetensors" in output and "Model card" not in output
    code, _, err = run("info", "lrrtrack_lite", "--figure", figure)
    assert code == 1 and "for image networks" in err


def test_variants_are_varied_in_every_combination() -> None:
    variants = {"a": Path("a.yaml"), "b": Path("b.yaml")}
    assert vary(variants, []) == {"a": (Path("a.yaml"), []), "b": (Path("b.yaml"), [])}
    varied = vary({"a": Path("a.yaml")}, ["training.loss.deep=0,2000", "training.seed=1"])
    assert varied == {
        "a-deep_0-seed_1": (Path("a.yaml"), ["training.loss.deep=0", "training.seed=1"]),
        "a-deep_2000-seed_1": (Path("a.yaml"), ["training.loss.deep=2000", "training.seed=1"]),
    }
    for setting in ("deep", "deep=", "deep=1,,2"):
        with pytest.raises(ValueError, match=r"expected key\.key=value,value"):
            vary(variants, [setting])


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_every_network_ships_with_weights_and_a_card(name: str) -> None:
    weights = shipped_image_weights(name)
    assert weights.stat().st_size < 1_000_000
    network = load_image_network(weights)
    assert type(network) is IMAGE_NETWORKS[name]
    card = weights.with_suffix(".md").read_text(encoding="utf-8")
    count = sum(parameter.numel() for parameter in network.parameters())
    assert f"`{name}`" in card and f"{count:,} parameters" in card
    assert "Not the authors' weights" in " ".join(card.replace("\n", " ").split())
    # A hot spot that the visible image does not show is seen in the result.
    visible = np.tile(np.linspace(60, 160, 64).astype(np.uint8), (48, 1))
    infrared = np.full((48, 64), 40, np.uint8)
    infrared[16:32, 10:26] = 230
    fused = Fuser(network, color=False).fuse(visible, infrared).gray.astype(float)
    assert fused[18:30, 12:24].mean() > fused[34:46, 12:24].mean() + 20
