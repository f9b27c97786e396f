"""What is kept of traced and compiled graphs: used again, checked, and never in the way."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_engines import TINY, tiny_config

from rgbt_track import load_tracker
from rgbt_track.config.tracker import Config
from rgbt_track.models.build import build_network
from rgbt_track.models.checkpoint import save_weights
from rgbt_track.models.engines import graph_cache
from rgbt_track.models.engines.graph_cache import GraphCache, cache_folder
from rgbt_track.models.engines.onnx_graphs import onnx_model
from rgbt_track.tracking.tracker import Tracker

BOX = [50.0, 40.0, 30.0, 25.0]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RGBT_TRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "tiny.safetensors", seed=0)


def write_weights(path: Path, seed: int) -> Path:
    config = tiny_config(TINY)
    save_weights(path, build_network(config.model, seed=seed), config)
    return path


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The graphs that are traced from now on."""
    names: list[str] = []

    def trace(graph):
        names.append(" ".join(graph.outputs))
        return onnx_model(graph)

    monkeypatch.setattr("rgbt_track.models.engines.onnx_graphs.onnx_model", trace)
    return names


def boxes(tracker: Tracker) -> np.ndarray:
    rgb, tir = np.random.default_rng(0).integers(0, 256, (2, 120, 160, 3), dtype=np.uint8)
    state = tracker.init(rgb, tir, BOX)
    return np.array([state.box, tracker.update(rgb, tir, state).box])


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_second_start_traces_nothing_and_gives_the_same(
    engine: str, cache: Path, weights: Path, traced: list[str]
) -> None:
    first = load_tracker(weights, engine=engine)
    expected = boxes(first)
    assert len(traced) == 2
    again = load_tracker(weights, engine=engine)
    np.testing.assert_array_equal(boxes(again), expected)
    assert len(traced) == 2 and again.identity == first.identity
    # A question that was not asked before is traced now, from a network that is built now.
    rgb = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    again.init(rgb, None, BOX)
    assert len(traced) == 3


def test_a_second_start_needs_no_torch(cache: Path) -> None:
    code = (
        "import sys; import numpy as np; from rgbt_track import load_tracker;"
        "frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8);"
        "tracker = load_tracker('lrrtrack_lite', engine='openvino');"
        "state = tracker.init(frame, frame, [50, 40, 30, 25]);"
        "print(tracker.update(frame, frame, state).box, file=sys.stderr);"
        "print([name for name in ('torch', 'timm') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    outputs = [
        subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in outputs] == ["['torch', 'timm']", "[]"]
    assert outputs[0].stderr == outputs[1].stderr


@pytest.mark.parametrize("damage", [b"", b"short", bytes(5000)])
def test_damaged_files_are_written_anew(
    damage: bytes, cache: Path, weights: Path, traced: list[str]
) -> None:
    expected = boxes(load_tracker(weights, engine="openvino"))
    files = {file: file.read_bytes() for file in cache.rglob("*") if file.is_file()}
    assert len(files) == 5  # two graphs, each traced and compiled, and the digest of the weights
    for file, content in files.items():
        file.write_bytes(damage or content[: len(content) // 2])
    np.testing.assert_array_equal(boxes(load_tracker(weights, engine="openvino")), expected)
    assert len(traced) == 4
    assert {file: file.read_bytes()[:32] for file in files if file.suffix != ".blob"} == {
        file: content[:32] for file, content in files.items() if file.suffix != ".blob"
    }


def test_other_weights_settings_code_or_packages_have_files_of_their_own(
    cache: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(TINY)

    def folder(config: Config = config, file: Path = weights) -> Path:
        found = GraphCache.of_network(config, file)
        assert found is not None
        return found.folder

    own = folder()
    assert folder() == own and own.parent == cache
    others = [folder(file=write_weights(tmp_path / "other.safetensors", seed=1))]
    model = dataclasses.replace(config.model, fuse_at="backbone")
    others.append(folder(dataclasses.replace(config, model=model)))
    tracking = dataclasses.replace(config.tracking, template_size=63)
    others.append(folder(dataclasses.replace(config, tracking=tracking)))
    monkeypatch.setattr(graph_cache, "_code_digest", lambda: "edited")
    others.append(folder())
    monkeypatch.setattr("importlib.metadata.version", lambda package: "99")
    others.append(folder())
    assert len({own, *others}) == 6
    user = dataclasses.replace(config.model, fusion="package.module:Class")
    assert GraphCache.of_network(dataclasses.replace(config, model=user), weights) is None


def test_where_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for off in ("off", "0", "OFF"):
        monkeypatch.setenv("RGBT_TRACK_CACHE", off)
        assert cache_folder() is None
    monkeypatch.delenv("RGBT_TRACK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "rgbt-track"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "rgbt-track"


def test_a_folder_that_cannot_be_written_is_no_hindrance(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RGBT_TRACK_CACHE", str(tmp_path / "file"))
    assert np.isfinite(boxes(load_tracker(weights, engine="onnxruntime"))).all()


def test_untrained_networks_and_missing_weights_are_not_kept(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such"):
        load_tracker("lrrtrack_lite", weights=tmp_path / "none.safetensors", engine="openvino")
    assert not cache.exists()


def test_weights_that_do_not_fit_are_refused_every_time(cache: Path, weights: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="trained with model"):
            load_tracker("lrrtrack_lite", weights=weights, engine="openvino")
    assert not list(cache.rglob("*.onnx"))


def test_the_network_unused_for_longest_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_cache, "_LARGEST_BYTES", 250)
    caches = [GraphCache(tmp_path / (letter * 32)) for letter in "abc"]
    foreign = tmp_path / "other"
    foreign.mkdir()
    for age, one in zip((300, 200, 100), caches, strict=True):
        one.write("graph", bytes(68))  # 100 with its digest
        os.utime(one.folder, (age, age))
    os.utime(caches[0].folder, (400, 400))  # used again
    caches[2].write("other", bytes(1))
    assert [one.read("graph") is not None for one in caches] == [True, False, True]
    assert foreign.is_dir()
