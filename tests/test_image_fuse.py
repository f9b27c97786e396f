"""``rgbt-track fuse`` as a user types it, and the fuser behind it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import Run

from fusion_modules.image import min_max, to_uint8
from fusion_modules.image.metrics import METRICS, fusion_metrics
from rgbt_track.image_fusion.fuser import Fuser, Image, side_by_side
from rgbt_track.image_fusion.metric_table import MetricTable
from rgbt_track.io.images import read_rgb, read_tir, write_image
from rgbt_track.io.sources import open_source
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.models import image_networks
from rgbt_track.models.image_networks import (
    build_image_network,
    load_image_network,
    save_image_weights,
)

HEIGHT, WIDTH = 48, 64


def scene(index: int) -> tuple[Image, Image]:
    """A colour ramp with texture, and a warm square that moves."""
    rng = np.random.default_rng(index)
    visible = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    visible[..., 0] = np.linspace(30, 200, WIDTH)
    visible[..., 1] = np.linspace(40, 150, HEIGHT)[:, None]
    visible[..., 2] = rng.integers(50, 90, (HEIGHT, WIDTH))
    infrared = rng.integers(30, 50, (HEIGHT, WIDTH)).astype(np.uint8)
    infrared[10:30, 5 * index + 5 : 5 * index + 20] = 210
    return visible, infrared


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs as folders (8 and 16 bits) and as videos, and weights of two networks."""
    root = tmp_path_factory.mktemp("fuse")
    for name in ("color", "ir", "ir16"):
        (root / name).mkdir()
    with VideoFile(root / "color.mp4", 10) as color, VideoFile(root / "ir.mp4", 10) as ir:
        for index in range(3):
            visible, infrared = scene(index)
            write_image(root / "color" / f"{index:02d}.png", visible)
            write_image(root / "ir" / f"{index:02d}.png", infrared)
            cv2.imwrite(
                str(root / "ir16" / f"{index:02d}.png"), infrared.astype(np.uint16) * 20 + 7000
            )
            color.add(visible)
            ir.add(cv2.cvtColor(infrared, cv2.COLOR_GRAY2RGB))
    for name, arguments in (("lrrnet", {"width": 4}), ("lwc_densefuse", {"growth": 4})):
        network = build_image_network(name, arguments)
        save_image_weights(root / f"{name}.safetensors", network, name, arguments)
    return root


def fuse(
    run: Run, root: Path, *more: object, rgb: object = "color", tir: object = "ir"
) -> tuple[int, str, str]:
    return run(
        "fuse", "--rgb", root / str(rgb), "--tir", root / str(tir),
        "--look", "network", "--weights", root / "lrrnet.safetensors", *more,
    )  # fmt: skip


def expected(root: Path, index: int) -> Image:
    """The authors' way from 0..255 to 0..255, with the whole network."""
    visible, infrared = scene(index)
    gray = cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY)
    inputs = (min_max(torch.from_numpy(x)[None, None].float()) for x in (gray, infrared))
    with torch.no_grad():
        output = load_image_network(root / "lrrnet.safetensors")(*inputs)
    return to_uint8(output)[0, 0].numpy()


def test_folders_to_pictures_and_metrics(run: Run, root: Path, tmp_path: Path) -> None:
    code, out, err = fuse(
        run, root, "--gray", "--metrics", "--csv", tmp_path / "m.csv", tmp_path / "out"
    )
    assert code == 0 and "3 fused in" in out and "Traceback" not in err
    images = sorted((tmp_path / "out").glob("*"))
    assert [path.name for path in images] == ["00.png", "01.png", "02.png"]
    rows = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert [row["name"] for row in rows] == ["00", "01", "02", "mean"]
    for index, path in enumerate(images):
        fused = read_tir(path)
        assert (
            np.abs(fused.astype(int) - expected(root, index)).max() <= 1
        )  # rounding of the fast form
        visible, infrared = scene(index)
        values = fusion_metrics(fused, cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY), infrared)
        for key in METRICS:
            assert float(rows[index][key]) == pytest.approx(values[key], abs=1e-5)
            assert f"{values[key]:.4f}" in out, key
    mean = np.mean([float(row["En"]) for row in rows[:3]])
    assert float(rows[3]["En"]) == pytest.approx(mean, abs=1e-5)


def test_color_keeps_the_chroma_of_the_visible_frame(run: Run, root: Path, tmp_path: Path) -> None:
    assert fuse(run, root, tmp_path / "out")[0] == 0
    visible, _ = scene(1)
    fused = cv2.cvtColor(read_rgb(tmp_path / "out" / "01.png"), cv2.COLOR_RGB2YCrCb).astype(int)
    original = cv2.cvtColor(visible, cv2.COLOR_RGB2YCrCb).astype(int)
    inside = (fused[..., 0] > 40) & (fused[..., 0] < 215)  # elsewhere RGB may be cut off
    assert inside.mean() > 0.3
    assert np.abs(fused - original)[inside][:, 1:].mean() < 3
    assert np.abs(fused[..., 0] - expected(root, 1))[inside].mean() < 2


def test_a_gray_visible_camera_gives_gray(root: Path) -> None:
    network = load_image_network(root / "lrrnet.safetensors")
    visible, infrared = scene(0)
    gray = cv2.cvtColor(cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert Fuser(network).fuse(gray, infrared).image.ndim == 2
    assert Fuser(network).fuse(visible, infrared).image.ndim == 3


def test_sixteen_bits_and_another_size(run: Run, root: Path, tmp_path: Path) -> None:
    assert fuse(run, root, "--gray", tmp_path / "wide", tir="ir16")[0] == 0
    wide = read_tir(tmp_path / "wide" / "00.png").astype(int)
    assert np.abs(wide - expected(root, 0)).mean() < 12  # the 16 bits were cut at their percentiles
    visible, infrared = scene(0)
    small = cv2.resize(infrared, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    frame = Fuser(load_image_network(root / "lrrnet.safetensors")).fuse(visible, small)
    assert frame.gray.shape == frame.infrared.shape == (HEIGHT, WIDTH)


def test_videos_side_by_side(run: Run, root: Path, tmp_path: Path) -> None:
    code, out, _ = fuse(
        run, root, "--side-by-side", tmp_path / "out.mp4", rgb="color.mp4", tir="ir.mp4"
    )
    assert code == 0 and "3 fused" in out
    source = open_source(tmp_path / "out.mp4")
    frames = list(source)
    assert len(frames) == 3 and frames[0].shape == (HEIGHT, 3 * WIDTH, 3)
    assert source.fps == pytest.approx(10)
    seen = frames[0][:, :WIDTH].astype(int) - scene(0)[0]
    assert np.abs(seen).mean() < 12  # the left third is the visible frame, but for compression
    assert fuse(run, root, tmp_path / "frames", rgb="color.mp4", tir="ir.mp4")[0] == 0
    assert len(list((tmp_path / "frames").glob("00000?.png"))) == 3


def test_one_pair_of_files(run: Run, root: Path, tmp_path: Path) -> None:
    code, out, _ = fuse(
        run, root, "--gray", tmp_path / "one.png", rgb="color/01.png", tir="ir/01.png"
    )
    assert code == 0 and "1 fused" in out
    assert np.abs(read_tir(tmp_path / "one.png").astype(int) - expected(root, 1)).max() <= 1


def test_parts_are_written(run: Run, root: Path, tmp_path: Path) -> None:
    assert fuse(run, root, "--parts", tmp_path / "out")[0] == 0
    names = {path.name for path in (tmp_path / "out" / "parts").glob("01_*")}
    assert names == {
        f"01_{part}_{where}.png"
        for part in ("low_rank", "sparse")
        for where in ("visible", "infrared", "fused")
    }
    part = read_tir(tmp_path / "out" / "parts" / "01_sparse_infrared.png")
    assert part.shape == (HEIGHT, WIDTH) and part.max() >= 254 and part.min() == 0


@pytest.mark.parametrize("name", ["lrrnet", "lwc_densefuse"])
def test_batches_and_tiles_change_nothing(root: Path, name: str) -> None:
    network = load_image_network(root / f"{name}.safetensors")
    pairs = [scene(index) for index in range(3)]
    whole = [Fuser(network, tile=0).fuse(*pair) for pair in pairs]
    together = Fuser(network, tile=0).fuse_batch(pairs)
    tiled = [Fuser(network, tile=20).fuse(*pair) for pair in pairs]
    for a, b, c in zip(whole, together, tiled, strict=True):
        for other in (b, c):
            assert np.abs(a.image.astype(int) - other.image).max() <= 1
    assert side_by_side(whole[0]).shape == (HEIGHT, 3 * WIDTH, 3)


def test_threads_change_nothing_and_are_given_back(root: Path) -> None:
    network, before = load_image_network(root / "lrrnet.safetensors"), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = Fuser(network, tile=20).fuse(*scene(0))
        torch.set_num_threads(3)
        three = Fuser(network, tile=20)
        assert np.array_equal(three.fuse(*scene(0)).image, one.image)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_images_of_another_program_are_scored(run: Run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    for index in range(3):
        visible, infrared = scene(index)
        write_image(tmp_path / "theirs" / f"{index:02d}.png", infrared)
    code, out, _ = run(
        "fuse", "--rgb", root / "color", "--tir", root / "ir", "--fused", tmp_path / "theirs",
        "--csv", tmp_path / "m.csv",
    )  # fmt: skip
    assert code == 0 and "mean" in out
    row = next(csv.DictReader((tmp_path / "m.csv").open()))
    visible, infrared = scene(0)
    values = fusion_metrics(infrared, cv2.cvtColor(visible, cv2.COLOR_RGB2GRAY), infrared)
    assert float(row["VIF"]) == pytest.approx(values["VIF"], abs=1e-5)
    (tmp_path / "theirs" / "02.png").rename(tmp_path / "theirs" / "extra.png")
    code, _, err = run(
        "fuse", "--rgb", root / "color", "--tir", root / "ir", "--fused", tmp_path / "theirs"
    )
    assert code == 1 and "lacks the counterpart of 1 of 3" in err and "'02'" in err


def test_users_faults_are_one_line(run: Run, root: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", np.zeros((20, 60), np.uint8))
    (tmp_path / "one").mkdir()
    write_image(tmp_path / "one" / "00.png", scene(0)[1])
    (tmp_path / "renamed").mkdir()
    for name in ("00", "01", "elsewhere"):
        write_image(tmp_path / "renamed" / f"{name}.png", scene(0)[1])
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    out = tmp_path / "out"
    cases: list[tuple[tuple[object, ...], dict[str, object], str]] = [
        ((), {}, "nowhere to write to"),
        ((root / "color",), {}, "is also the input --rgb"),
        ((out, "--batch", 0), {}, "--batch is 0"),
        ((out, "--tile", -1), {}, "tile is -1"),
        ((out,), {"rgb": "nowhere"}, "no such folder or video"),
        ((out,), {"tir": tmp_path / "one"}, "unequal frame counts"),
        ((out,), {"tir": tmp_path / "renamed"}, "lacks the counterpart of 1 of 3 images"),
        (
            (out,),
            {"rgb": "color/00.png", "tir": tmp_path / "small.png"},
            "with rgbt-track register",
        ),
        ((out / "deep" / "er",), {}, "the folder above it does not exist"),
        ((tmp_path / "a.png",), {}, "several images do not fit one file"),
        ((out, "--csv", tmp_path / "no" / "m.csv"), {}, "the folder does not exist"),
        ((out, "--weights", tmp_path / "nothing.pth"), {}, "no such weights file"),
        ((out, "--weights", tmp_path / "text.safetensors"), {}, "damaged or not a safetensors"),
        ((out, "--weights", tmp_path / "other.pth"), {}, "not the weights of an image-fusion"),
        ((out, "--parts", "--weights", root / "lwc_densefuse.safetensors"), {}, "has no parts"),
        ((out, "--device", "cuda:7"), {}, "torch sees no GPU"),
    ]
    for arguments, sources, message in cases:
        if message == "torch sees no GPU" and torch.cuda.is_available():
            continue
        code, _, err = fuse(run, root, *arguments, **sources)
        line = err.strip().splitlines()[-1]
        assert code == 1 and line.startswith("error: ") and message in err, (message, err)
    assert not out.exists()


def test_without_weights_the_shipped_ones_or_a_word(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_networks, "WEIGHTS", tmp_path)
    arguments = ("fuse", "--rgb", root / "color", "--tir", root / "ir", tmp_path / "out")
    code, _, err = run(*arguments)
    assert code == 1 and "no image-fusion weights are shipped for 'lrrnet'" in err
    shipped = (root / "lrrnet.safetensors").read_bytes()
    (tmp_path / "lrrnet.safetensors").write_bytes(shipped)
    assert run(*arguments)[0] == 0


def test_the_shipped_weights_show_what_is_hot_and_keep_the_visible_scene() -> None:
    network = load_image_network(image_networks.shipped_image_weights())
    assert sum(parameter.numel() for parameter in network.parameters()) == 49_204
    visible, infrared = scene(2)
    fused = Fuser(network, color=False).fuse(visible, infrared)
    cold = Fuser(network, color=False).fuse(visible, np.where(infrared > 100, 40, infrared))
    hot, beside = fused.gray[12:28, 18:28].mean(), fused.gray[32:46, 18:28].mean()
    assert hot > beside + 40
    apart = np.corrcoef(cold.gray.ravel(), cold.visible.ravel())[0, 1]
    assert apart > 0.7  # without a hot target it is the visible image that is seen


def test_weights_say_what_they_belong_to(root: Path, tmp_path: Path) -> None:
    network = load_image_network(root / "lwc_densefuse.safetensors")
    assert type(network).__name__ == "LWCDenseFuse" and not network.training
    official = build_image_network("lrrnet", {})
    from fusion_modules.image.official_weights import official_name

    state = {official_name(key): value for key, value in official.state_dict().items()}
    torch.save(state, tmp_path / "authors.model")
    loaded = load_image_network(tmp_path / "authors.model")
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, official.state_dict()[key])
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "tracker.safetensors")
    with pytest.raises(ValueError, match="not the weights of an image-fusion network"):
        load_image_network(tmp_path / "tracker.safetensors")


def test_undefined_metrics_are_named_with_pair_and_reason() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 40), np.uint8) for _ in range(3)]
    table = MetricTable()
    table.add_pair("bench", *images)
    with pytest.warns(UserWarning) as caught:
        table.add_pair("door", images[0], images[1], np.full((32, 40), 7, np.uint8))
    assert [str(warning.message) for warning in caught] == [
        "pair 2, door: VIFm is undefined, since its infrared image is constant; "
        "the mean is over the other pairs"
    ]
    assert table.rows["bench"] == fusion_metrics(*images)
    assert table.mean()["VIF"] == table.rows["bench"]["VIF"]


def test_mean_leaves_missing_values_out() -> None:
    table = MetricTable()
    table.add("a", dict.fromkeys(METRICS, 1.0) | {"VIF": float("nan")})
    table.add("b", dict.fromkeys(METRICS, 3.0))
    assert table.mean()["VIF"] == 3.0 and table.mean()["En"] == 2.0
    nothing = MetricTable()
    nothing.add("a", dict.fromkeys(METRICS, float("nan")))
    assert np.isnan(nothing.mean()["VIF"])
