"""Whatever the user gives that cannot be used, a command says so in one line and exits with 1."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import Run
from safetensors.torch import load_file, save_file
from training_material import write_set

from rgbt_track import cli
from rgbt_track.config.tracker import Config, TrackingConfig
from rgbt_track.io.image_guard import MAX_PIXELS, image_size
from rgbt_track.io.images import CorruptImageWarning, read_rgb, read_tir, write_image
from rgbt_track.tracking.loading import load_tracker

SHIPPED = Path(__file__).parents[1] / "rgbt_track" / "weights"
BOX = "20,30,22,30"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: ``set/walk_0`` with ``color``, ``ir`` and a ground truth of 6 frames."""
    write_set(tmp_path / "set", sequences=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refused(outcome: tuple[int, str, str]) -> str:
    """The one line of a fault of the user."""
    code, _, err = outcome
    line = err.strip().splitlines()[-1] if err.strip() else ""
    assert code == 1 and line.startswith("error: "), err
    assert err.count("error:") == 1 and "Traceback" not in err and "internal" not in err, err
    return line


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says that it is as large as this."""
    done, data = cv2.imencode(".png", np.zeros((8, 8), np.uint8))
    assert done
    raw = bytearray(data.tobytes())
    raw[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(raw)


TRACK = ("track", "--rgb", "set/walk_0/color", "--tir", "set/walk_0/ir", "--box", BOX)
MATCHING = (*TRACK, "--tracker", "matching")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {fusion_args: {channels: 3}}", "fusion_args has 'channels'"),
        ("model: {neck_channels: -4}", "neck_channels is -4; expected 1 to"),
        ("model: {neck_channels: 1000000000}", "neck_channels is 1000000000; expected 1 to"),
        ("model: {template_cells: -1}", "template_cells is -1"),
        ("model: {backbone_args: {widths: [1000000000, 8, 8]}}", "backbone_args: widths is"),
        ("model: {anchors: {scales: [.nan]}}", "scales is nan; expected a finite number"),
        ("model: {fusion: 'os:system'}", "fusion 'os:system' cannot be built: TypeError"),
        ("model: {fusion: 'boom:Fusion'}", "cannot import 'boom' (ZeroDivisionError: at import)"),
        ("tracking: {threads: 100000}", "threads is 100000; expected 0 to 1024"),
        ("tracking: {search_size: 1000000}", "search_size is 1000000; expected 16 to"),
        ("training: {batch: -1}", "batch is -1; expected 1 to"),
        ("tracking: {context: .inf}", "context is inf; expected a finite number"),
        (f"tracking: {{threads: {10**30}}}", "a number of 31 digits"),
        ("a: " + "[" * 3000 + "]" * 3000, "more than 40 levels of nesting"),
        ("name: a\nnote: x\nname: b", "the key 'name' is given twice, in line 1 and in line 3"),
        ("a: &a [x, x]\n" + "".join(
            f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 10)}]\n" for n in range(9)
        ), "values, aliases expanded"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used(run: Run, scene: Path, text: str, message: str) -> None:
    (scene / "boom.py").write_text("raise ZeroDivisionError('at import')\n")
    (scene / "mine.yaml").write_text(text + "\n")
    assert message in refused(run(*TRACK, "--tracker", "mine.yaml"))
    assert not (scene / "boxes.txt").exists()


def test_trackers_by_dotted_path_that_are_none(run: Run, scene: Path) -> None:
    (scene / "boom.py").write_text("raise ZeroDivisionError('at import')\n")
    (scene / "odd.py").write_text(
        "class Fails:\n"
        "    def init(self, rgb, tir, box): raise KeyError('no state')\n"
        "    def update(self, rgb, tir, state): pass\n"
        "def tracker(device): return Fails()\n"
        "def number(device): return 3\n"
    )
    options = ("evaluate", "plain", "--root", "set", "--no-plots", "--tracker")
    for name, message in (
        ("os:system", "no tracker 'os:system': TypeError"),
        ("boom:make", "ZeroDivisionError: at import"),
        ("odd:number", "odd:number gave a int; expected an object with init and update"),
        ("odd:tracker", "1 of 1 sequences failed, the others are kept; first: walk_0: KeyError"),
        ("", "unknown name ''"),
    ):
        assert message in refused(run(*options, name))


def torch_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name -> a weights file that is wrong in one way, and what is said of it."""
    state = load_file(SHIPPED / "lrrtrack_lite.safetensors")
    key = next(key for key, value in state.items() if value.ndim == 4)
    quantized = torch.quantize_per_tensor(state[key].float(), 0.1, 0, torch.qint8)
    values: dict[str, tuple[Any, str]] = {
        "sparse": (state[key].float().to_sparse(), "sparse, quantized or meta tensors"),
        "quantized": (quantized, "sparse, quantized or meta tensors"),
        "meta": (torch.empty(state[key].shape, device="meta"), "sparse, quantized or meta"),
        "integer": ((state[key] * 100).int(), f"no real numbers: {key} torch.int32"),
        "complex": (state[key].to(torch.complex64), "no real numbers"),
        "nan": (torch.full_like(state[key], float("nan")), "NaN or infinite weights"),
    }
    files = {}
    for name, (value, message) in values.items():
        files[name] = folder / f"{name}.pth", message
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.save({**state, key: value}, files[name][0])
    return files


def test_weights_that_hold_no_numbers(scene: Path) -> None:
    for name, (path, message) in torch_files(scene).items():
        with pytest.raises(ValueError, match=message) as caught:
            load_tracker("lrrtrack_lite", weights=path, engine="torch")
        assert str(path) in str(caught.value), name


@pytest.mark.parametrize(
    "description",
    ["[1, 2]", "null", "{}", "3", "{", "[" * 5000, '{"name": "lrrnet"}',
     '{"name": "lrrnet", "arguments": {"width": [[4]]}}',
     '{"name": "lrrnet", "arguments": {"width": -4}}',
     '{"name": "lrrnet", "arguments": {"width": 1000000000}}',
     '{"name": ["lrrnet"], "arguments": {}}'],
)  # fmt: skip
def test_image_fusion_weights_with_a_damaged_description(
    run: Run, scene: Path, description: str
) -> None:
    tensors = load_file(SHIPPED / "lrrnet.safetensors")
    save_file(tensors, scene / "w.safetensors", metadata={"image_fusion": description})
    pair = ("--rgb", "set/walk_0/color", "--tir", "set/walk_0/ir")
    assert "w.safetensors" in refused(run("fuse", *pair, "--weights", "w.safetensors", "out"))
    assert not (scene / "out").exists()


def test_the_authors_image_fusion_weights_with_nan(run: Run, scene: Path) -> None:
    from fusion_modules.image import LRRNet
    from fusion_modules.image.official_weights import official_name

    state = {official_name(key): value for key, value in LRRNet().state_dict().items()}
    next(iter(state.values())).view(-1)[0] = float("nan")
    torch.save(state, scene / "theirs.model")
    pair = ("--rgb", "set/walk_0/color", "--tir", "set/walk_0/ir")
    assert "NaN or infinite" in refused(run("fuse", *pair, "--weights", "theirs.model", "out"))


def test_images_are_measured_before_they_are_decoded(run: Run, scene: Path) -> None:
    color = scene / "set" / "walk_0" / "color"
    (color / "0002.png").write_bytes(png_header(60000, 60000))
    line = refused(run(*MATCHING))
    assert "0002.png: an image of 60000x60000 pixels by its header" in line
    wide = int(MAX_PIXELS**0.5) + 1
    (color / "0002.png").write_bytes(png_header(wide, wide))
    with pytest.raises(ValueError, match="by its header; at most 134,217,728 are read"):
        read_rgb(color / "0002.png")
    assert cv2.imwrite(str(scene / "f.tiff"), np.zeros((8, 9), np.float64))
    with pytest.raises(ValueError, match="pixels of type float64; expected 8 or 16 bits"):
        read_tir(scene / "f.tiff")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"])
def test_the_size_in_a_header_is_that_of_the_image(suffix: str) -> None:
    for height, width in ((5, 7), (300, 2), (33, 129)):
        image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
        for flags in ([], [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []):
            data = cv2.imencode(suffix, image, flags)[1].tobytes()
            assert image_size(data) == (width, height)
    assert image_size(b"") == image_size(b"GIF89a") == image_size(data[:6]) == (0, 0)


def test_damaged_jpeg_data_is_tied_to_its_file(run: Run, scene: Path) -> None:
    color = scene / "set" / "walk_0" / "color"
    image = read_rgb(color / "0003.png")
    for path in color.iterdir():
        path.rename(path.with_suffix(".old"))
        write_image(path.with_suffix(".jpg"), image)
        path.with_suffix(".old").unlink()
    data = bytearray((color / "0003.jpg").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 12] = bytes(value ^ 0x5A for value in data[middle : middle + 12])
    (color / "0003.jpg").write_bytes(data)
    with pytest.warns(CorruptImageWarning, match=r"0003\.jpg: .*Corrupt JPEG data"):
        read_rgb(color / "0003.jpg")
    code, out, _ = run("data", "check", "plain", "--root", "set")
    assert code == 1 and "0003.jpg: Corrupt JPEG data" in out
    code, _, err = run(*MATCHING)
    assert code == 0 and err.count("0003.jpg: Corrupt JPEG data") == 1


def pack(path: Path, meta: Any, arrays: dict[str, Any] | bytes) -> Path:
    """A store with this index."""
    import lmdb

    index = io.BytesIO()
    if isinstance(arrays, dict):
        np.savez(index, **arrays)
    with lmdb.open(str(path), subdir=False) as store, store.begin(write=True) as transaction:
        transaction.put(b"index", index.getvalue() if isinstance(arrays, dict) else arrays)
        transaction.put(b"meta", meta if isinstance(meta, bytes) else json.dumps(meta).encode())
    return path


def test_stores_with_a_damaged_index(run: Run, scene: Path) -> None:
    arrays = {"frames": np.arange(2), "boxes": np.ones((2, 4)), "fill": np.zeros((2, 2, 3), "u1")}
    track = {"number": 0, "name": "a", "modalities": ["rgb"], "has_mask": False, "group": "a"}
    geometry = {"size": 64, "factor": 4.0, "context": 0.5, "quality": 90}
    meta = {"version": 1, "description": "", "geometry": geometry, "lengths": [2]}
    meta["tracks"] = [track]
    cases: list[tuple[Any, Any]] = [
        ([], arrays), ({}, arrays), (None, arrays), (b"{", arrays), (b"[" * 9000, arrays),
        (b"\xff\xfe", arrays),
        *(({key: meta[key] for key in meta if key != left_out}, arrays) for left_out in meta),
        ({**meta, "geometry": {"size": 10**9}}, arrays), ({**meta, "lengths": [10**9]}, arrays),
        ({**meta, "lengths": ["2"]}, arrays), ({**meta, "tracks": [{}]}, arrays),
        ({**meta, "tracks": [track] * 3}, arrays),
        (meta, b""), (meta, b"PK\3\4 no archive"), (meta, {}),
        (meta, {**arrays, "boxes": np.ones((2, 3))}),
    ]  # fmt: skip
    for number, (description, content) in enumerate(cases):
        path = pack(scene / f"{number}.lmdb", description, content)
        assert path.name in refused(run("data", "show", path, "pairs.png")), (description, content)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("track", "--rgb", "99999999999999", "--box", BOX), "no camera 99999999999999"),
        (("data", "lmdb", "plain", "--root", "set", "x.lmdb", "--size", 10**6),
         "size is 1000000; expected 16 to 4096"),
        (("data", "synthesize", "x", "--size", "10000000x10000000"), "sides must be 32 to 8192"),
        (("robustness", "plain", "--root", "set", "--kind", "offset", "--severity", "inf"),
         "severity inf of offset: expected from 0 to 10000"),
        (("data", "check", "mine.yaml", "--root", "set", "--split", "a"), "lists no sequence"),
        (("data", "check", "far.yaml", "--root", "set"), "label_every is 1e+20"),
        (("data", "check", "away.yaml", "--root", "set"), "lists has '/etc/passwd'"),
        (("fuse", "--rgb", "set/walk_0/color", "--tir", "set/walk_0/ir", "--batch", 10**9, "o"),
         "--batch is 1000000000; expected 1 to"),
    ],
)  # fmt: skip
def test_sizes_counts_and_names(
    run: Run, scene: Path, arguments: tuple[object, ...], message: str
) -> None:
    head = "rgb: color\ntir: ir\nboxes: [groundtruth.txt]\n"
    (scene / "set" / "empty.txt").write_text("\n")
    (scene / "mine.yaml").write_text(head + "splits: [{name: a, lists: [empty.txt]}]\n")
    (scene / "far.yaml").write_text(head + f"label_every: {10**18}\n")
    (scene / "away.yaml").write_text(head + "splits: [{name: a, lists: [/etc/passwd]}]\n")
    assert message.replace("1e+20", "1000000000000000000") in refused(run(*arguments))


@pytest.mark.parametrize("option", ["--every", "--invent", "--workers"])
def test_numbers_without_a_meaning_are_refused(run: Run, scene: Path, option: str) -> None:
    code, _, err = run("data", "lmdb", "plain", "--root", "set", "x.lmdb", option, -1)
    assert code == 2 and "than or equal to" in err and not (scene / "x.lmdb").exists()


def test_a_fault_of_ours_is_one_line_that_says_how_to_see_more(
    run: Run, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("of ours\nin two lines")

    monkeypatch.setattr(cli, "app", broken)
    code, _, err = run("info")
    assert code == 1 and err.count("\n") == 1
    assert err.startswith("error: internal: KeyError: ") and "RGBT_TRACK_DEBUG=1 shows" in err
    monkeypatch.setenv("RGBT_TRACK_DEBUG", "1")
    with pytest.raises(KeyError):
        cli.main()


def test_names_that_are_not_utf8(run: Run, scene: Path) -> None:
    odd = os.fsdecode(b"walk_\xff")
    (scene / "set" / "walk_0").rename(scene / "set" / odd)
    code, _, err = run(
        "evaluate",
        "plain",
        "--root",
        "set",
        "--tracker",
        "matching",
        "--results",
        "r",
        "--no-plots",
    )
    assert code == 0, err
    assert (scene / "r" / "matching" / f"{odd}.txt").is_file()


def test_very_wide_frames_cost_no_more_than_others() -> None:
    """A square around a box of 20000x20 pixels has a side of 35,000."""
    from rgbt_track import crops

    image = np.random.default_rng(0).integers(0, 255, (20, 20_000, 3), np.uint8)
    region = crops.CropRegion.around(10_000, 10, 34_700, 255)
    cut = region.cut(image, (1, 2, 3))
    assert cut.shape == (255, 255, 3)
    assert (cut[:100] == (1, 2, 3)).all() and (cut[127] != (1, 2, 3)).any()


def test_the_cheap_way_to_cut_gives_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    from rgbt_track import crops

    image = np.random.default_rng(0).integers(0, 255, (300, 700, 3), np.uint8)
    for side, size in ((900, 255), (1000, 127), (2000, 64), (40, 64)):
        region = crops.CropRegion(-20, -30, side, size)
        expected = region.cut(image, (1, 2, 3)).astype(int)
        with monkeypatch.context() as patch:
            patch.setattr(crops, "_LARGEST_COPY", 1)
            assert np.abs(region.cut(image, (1, 2, 3)) - expected).max() <= 1


def test_every_number_of_the_tracking_loop_is_bounded() -> None:
    """No number that is not finite, and none beyond what a machine can hold."""
    fields: dict[str, Callable[[Any], Any]] = {
        name: type(value)
        for name, value in vars(TrackingConfig()).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    assert len(fields) > 12
    for name, kind in fields.items():
        if name in ("score_scale", "score_bias"):
            continue  # any finite number
        with pytest.raises(ValueError):
            Config("x", tracking=TrackingConfig(**{name: kind(10**12)}))
