"""Damaged files of every kind that is read: each is read, or refused in one line by its name.

The damage is drawn from seeds, so that every run tries the same files: bytes flipped, cut out,
repeated, set to extremes, or the end cut off.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save
from test_faults import pack

from rgbt_track.config.image_fusion import load_image_experiment
from rgbt_track.config.tracker import load_config
from rgbt_track.data.description import load_description
from rgbt_track.evaluation.trackers import claim_folder
from rgbt_track.io.image_guard import image_size
from rgbt_track.io.images import CorruptImageWarning, read_rgb, read_tir
from rgbt_track.io.sources import open_source
from rgbt_track.models.checkpoint import read_weights_config
from rgbt_track.models.engines.exported import read_export
from rgbt_track.models.image_networks import load_image_network
from rgbt_track.models.state_dict import read_state
from rgbt_track.pairs.lmdb_store import LmdbStore
from rgbt_track.resources import find_yaml, names
from rgbt_track.training.run_folder import steps_done

EXTREMES = (0x00, 0x7F, 0x80, 0xFF)


def damaged(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """So many damaged copies; a third of the damage lies in the first 64 bytes, the headers."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            limit = min(len(copy), 64) if rng.random() < 0.34 else len(copy)
            start = int(rng.integers(0, max(limit, 1)))
            length = int(rng.integers(1, 9))
            kind = int(rng.integers(0, 5))
            if kind == 0:
                copy[start : start + length] = rng.bytes(len(copy[start : start + length]))
            elif kind == 1:
                del copy[start : start + length]
            elif kind == 2:
                copy[start:start] = copy[start : start + length]
            elif kind == 3:
                value = EXTREMES[int(rng.integers(0, 4))]
                copy[start : start + length] = bytes([value]) * len(copy[start : start + length])
            else:
                del copy[start:]
        yield bytes(copy)


def is_read_or_refused(read: Callable[[Path], Any], path: Path, contents: Iterator[bytes]) -> int:
    """Read each content from the file; returns how many were refused, each in one line."""
    refused = 0
    for number, content in enumerate(contents):
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CorruptImageWarning)
                read(path)
        except (ValueError, OSError) as error:
            refused += 1
            text = str(error)
            assert path.name in text or str(path.parent) in text, (number, text)
            assert len(" ".join(text.split())) < 2000, (number, text)
        except Exception as error:
            raise AssertionError(f"content {number}: {type(error).__name__}: {error}") from error
    return refused


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".pgm"])
def test_images(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (12, 17, 3), np.uint8)
    pixels = image[..., 0] if suffix == ".pgm" else image
    data = cv2.imencode(suffix, pixels)[1].tobytes()

    def read(path: Path) -> None:
        for array in (read_rgb(path), read_tir(path)):
            assert array.dtype in (np.uint8, np.uint16) and array.size

    refused = is_read_or_refused(read, tmp_path / f"a{suffix}", damaged(data, 80, 1))
    assert 10 < refused <= 80
    assert all(len(image_size(content)) == 2 for content in damaged(data, 100, 2))


def test_images_of_sixteen_bits(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65535, (9, 8), np.uint16)
    for suffix in (".png", ".tif"):
        data = cv2.imencode(suffix, image)[1].tobytes()
        assert is_read_or_refused(read_tir, tmp_path / f"a{suffix}", damaged(data, 40, 3))


def test_videos(tmp_path: Path) -> None:
    path = tmp_path / "whole.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for value in range(0, 250, 50):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()

    def read(file: Path) -> None:
        assert sum(1 for _ in open_source(file)) < 100

    assert is_read_or_refused(read, tmp_path / "a.mp4", damaged(path.read_bytes(), 40, 4))


def tensors() -> dict[str, torch.Tensor]:
    return {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2), "n": torch.tensor(3)}


def test_weights_in_safetensors(tmp_path: Path) -> None:
    settings = {"config": json.dumps({"name": "x", "model": {"head": "matching"}})}
    data = save(tensors(), metadata=settings)

    def read(path: Path) -> None:
        read_state(path)
        read_weights_config(path)

    path = tmp_path / "w.safetensors"
    assert is_read_or_refused(read, path, damaged(data, 250, 5)) > 100
    description = json.dumps({"name": "lrrnet", "arguments": {"width": 2, "blocks": 1}})
    data = save(tensors(), metadata={"image_fusion": description})
    assert is_read_or_refused(load_image_network, path, damaged(data, 120, 6)) == 120


def test_weights_and_checkpoints_of_torch(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"state_dict": tensors(), "global_step": 4}, stream)
    path = tmp_path / "w.ckpt"
    for read, seed in ((read_state, 7), (steps_done, 8)):
        assert is_read_or_refused(read, path, damaged(stream.getvalue(), 120, seed))
    stream = io.BytesIO()
    torch.save(tensors(), stream, _use_new_zipfile_serialization=False)
    assert is_read_or_refused(read_state, path, damaged(stream.getvalue(), 120, 9)) > 20


def test_the_index_of_a_store(tmp_path: Path) -> None:
    index = io.BytesIO()
    fill = np.zeros((2, 2, 3), "u1")
    np.savez(index, frames=np.arange(2), boxes=np.ones((2, 4)), fill=fill)
    geometry = {"size": 64, "factor": 4.0, "context": 0.5, "quality": 90}
    track = {"number": 0, "name": "a", "modalities": ["rgb"], "has_mask": False, "group": "a"}
    meta = {"version": 1, "description": "", "geometry": geometry, "lengths": [2]}
    text = json.dumps({**meta, "tracks": [track]}).encode()
    cases = [(content, index.getvalue()) for content in damaged(text, 40, 10)]
    cases += [(text, content) for content in damaged(index.getvalue(), 40, 11)]
    refused = 0
    for number, (meta_bytes, arrays) in enumerate(cases):
        path = pack(tmp_path / f"{number}.lmdb", meta_bytes, arrays)
        try:
            store = LmdbStore(path)
            assert len(store.tracks) == 1
        except ValueError as error:
            assert path.name in str(error)
            refused += 1
        path.unlink()
    assert refused > 40


def test_the_pages_of_a_store(tmp_path: Path) -> None:
    """In a process of its own, since LMDB reads a file's pages where they lie."""
    meta = json.dumps({"version": 1}).encode()
    data = pack(tmp_path / "whole.lmdb", meta, b"x" * 9000).read_bytes()
    for number, content in enumerate(damaged(data, 100, 14)):
        (tmp_path / f"{number:03d}.lmdb").write_bytes(content)
    code = (
        "import sys; from pathlib import Path\n"
        "from rgbt_track.pairs.lmdb_store import LmdbStore\n"
        "for path in sorted(Path(sys.argv[1]).glob('0*.lmdb')):\n"
        "    try: LmdbStore(path)\n"
        "    except ValueError as error: print(path.name, path.name in str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("True") == 100 and "False" not in done.stdout


@pytest.mark.parametrize("kind", ["experiments", "datasets", "image_fusion"])
def test_shipped_yaml(tmp_path: Path, kind: str) -> None:
    readers: dict[str, Callable[[Path], Any]] = {
        "experiments": load_config,
        "datasets": load_description,
        "image_fusion": load_image_experiment,
    }
    folder = "datasets" if kind == "datasets" else "experiments"
    for seed, name in enumerate(names(folder)[:8]):
        data = find_yaml(name, folder).read_bytes()
        is_read_or_refused(readers[kind], tmp_path / f"{name}.yaml", damaged(data, 20, seed))


def test_descriptions_of_exports_and_results(tmp_path: Path) -> None:
    config = {"name": "x", "model": {"head": "matching"}}
    export = json.dumps({"format": "torch", "precision": "fp32", "config": config}).encode()
    (tmp_path / "export").mkdir()
    path = tmp_path / "export" / "export.json"
    assert is_read_or_refused(lambda file: read_export(file.parent), path, damaged(export, 60, 12))
    folder = tmp_path / "results"
    claim_folder(folder, {"tracker": "x", "settings": {"a": 1}}, data={"walk": "0" * 16})
    path = folder / "tracker.json"
    data = path.read_bytes()

    def claim(file: Path) -> None:
        claim_folder(file.parent, {"tracker": "x", "settings": {"a": 1}}, data={"walk": "0" * 16})

    assert is_read_or_refused(claim, path, damaged(data, 60, 13)) > 40
