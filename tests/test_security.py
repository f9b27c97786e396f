"""What SECURITY.md promises: weights, checkpoints, data and results are read and never run.

Each file here would make a folder named ``ran`` if anything in it were executed.
"""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import Run
from safetensors.torch import load_file, save_file
from training_material import tiny_experiment, write_set

from rgbt_track import load_tracker
from rgbt_track.config.parsing import to_mapping

SHIPPED = Path(__file__).parents[1] / "rgbt_track" / "weights"


class Payload:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Path]:
    """The folder that any payload would make; whatever a test does, it must not be there."""
    yield tmp_path / "ran"
    assert not (tmp_path / "ran").exists()


def refused(outcome: tuple[int, str, str]) -> str:
    """The one line that a command says before it exits with 1."""
    status, _, error = outcome
    assert status == 1 and error.count("error:") == 1 and "Traceback" not in error
    return error


@pytest.fixture
def pair(tmp_path: Path) -> tuple[object, ...]:
    """The options that name a folder of visible and one of thermal frames."""
    folder = write_set(tmp_path / "set", sequences=1) / "walk_0"
    return "--rgb", folder / "color", "--tir", folder / "ir"


def test_the_payloads_work(tmp_path: Path) -> None:
    """Without this, no test below could fail."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").is_dir()


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_weights_are_never_unpickled(
    tmp_path: Path, ran: Path, run: Run, pair: tuple, writer: str
) -> None:
    path = tmp_path / "weights.pth"
    if writer == "torch":
        torch.save({"state_dict": {"weight": Payload(ran)}}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": Payload(ran)}, protocol=2))
    box, out = ("--box", "20,30,22,30"), tmp_path / "boxes.txt"
    assert str(path) in refused(run("track", *pair, *box, "--weights", path, "--out", out))
    assert str(path) in refused(run("fuse", *pair, "--weights", path, tmp_path / "fused"))


def test_a_checkpoint_is_never_unpickled(tmp_path: Path, ran: Path, run: Run) -> None:
    values = to_mapping(tiny_experiment(write_set(tmp_path / "set")))
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    torch.save({"global_step": 1, "state_dict": Payload(ran)}, out / "checkpoints" / "last.ckpt")
    for path in (tmp_path / "tiny.yaml", out / "config.yaml"):
        path.write_text(yaml.safe_dump(values))
    assert "last.ckpt" in refused(run("train", tmp_path / "tiny.yaml", "--out", out, "--resume"))


def test_arrays_of_a_packed_store_are_never_unpickled(tmp_path: Path, ran: Path, run: Run) -> None:
    import lmdb

    path, index = tmp_path / "packed.lmdb", io.BytesIO()
    rows = np.array([Payload(ran), None], dtype=object)
    np.savez(index, frames=np.arange(2), boxes=rows, fill=rows)
    track = {"number": 0, "name": "a", "modalities": ["rgb"], "has_mask": False, "group": "a"}
    geometry = {"size": 64, "factor": 4.0, "context": 0.5, "quality": 90}
    meta = {"version": 1, "description": "", "geometry": geometry, "lengths": [2]}
    environment = lmdb.open(str(path), subdir=False)
    with environment, environment.begin(write=True) as transaction:
        transaction.put(b"index", index.getvalue())
        transaction.put(b"meta", json.dumps({**meta, "tracks": [track]}).encode())
    refused(run("data", "show", path, tmp_path / "pairs.png"))


def test_names_in_weights_are_never_imported(
    tmp_path: Path, ran: Path, run: Run, pair: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings that a weights file carries may name a fusion, but no module of anybody's."""
    (tmp_path / "payload.py").write_text(f"import os\nos.mkdir({str(ran)!r})\nclass Run: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "tracker.safetensors"
    settings = {"name": "x", "model": {"fusion": "payload:Run", "backbone": "payload:Run"}}
    tensors = load_file(SHIPPED / "lrrtrack_lite.safetensors")
    save_file(tensors, path, metadata={"config": json.dumps(settings)})
    box, out = ("--box", "20,30,22,30"), tmp_path / "boxes.txt"
    _, _, error = run("track", *pair, *box, "--weights", path, "--out", out)
    assert "Traceback" not in error
    for command in (("info", path), ("track", *pair, *box, "--tracker", path, "--out", out)):
        assert "weights name no code" in refused(run(*command))
    network = {"name": "payload:Run", "arguments": {}}
    tensors = load_file(SHIPPED / "lrrnet.safetensors")
    save_file(tensors, path, metadata={"image_fusion": json.dumps(network)})
    assert "payload:Run" in refused(run("fuse", *pair, "--weights", path, tmp_path / "fused"))


@pytest.mark.parametrize("kind", ["experiment", "description", "setting"])
def test_yaml_tags_are_never_run(tmp_path: Path, ran: Path, run: Run, kind: str) -> None:
    tag = f"!!python/object/apply:os.mkdir [{ran}]"
    path = tmp_path / "file.yaml"
    if kind == "experiment":
        path.write_text(f"name: {tag}\n")
        with pytest.raises(ValueError, match="not a YAML file"):
            load_tracker(path)
    elif kind == "description":
        path.write_text(f"rgb: color\ntir: {tag}\n")
        refused(run("data", "check", path, "--root", tmp_path))
    else:
        refused(run("train", "lrrtrack_lite", f"training.root={tag}"))


def test_a_list_file_cannot_lead_out_of_the_root(tmp_path: Path, run: Run) -> None:
    """A split names sequences that were found below the root, not paths."""
    write_set(tmp_path / "outside", sequences=1)
    root = write_set(tmp_path / "root", sequences=1)
    (root / "test.txt").write_text("../outside/walk_0\n")
    description = tmp_path / "mine.yaml"
    splits = [{"name": "test", "lists": ["test.txt"]}]
    values = {"rgb": "color", "tir": "ir", "boxes": ["groundtruth.txt"], "splits": splits}
    description.write_text(yaml.safe_dump(values))
    error = refused(run("data", "check", description, "--root", root, "--split", "test"))
    assert "walk_0" in error
