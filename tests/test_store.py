from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from training_material import write_set

from rgbt_track.boxes import xywh_to_cxcywh
from rgbt_track.config.pairs import StoreConfig
from rgbt_track.crops import context_side
from rgbt_track.data import Sequence, open_dataset
from rgbt_track.data.annotations import Annotation
from rgbt_track.io.images import write_image
from rgbt_track.pairs.crop_store import FileStore, StoredCrop, cut_crop, store_region
from rgbt_track.pairs.lmdb_encode import CHUNK
from rgbt_track.pairs.lmdb_pack import pack_lmdb
from rgbt_track.pairs.lmdb_store import LmdbStore
from rgbt_track.pairs.pseudo_boxes import add_pseudo_boxes

GEOMETRY = StoreConfig(size=120, factor=4.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def sequences(root: Path) -> list[Sequence]:
    return open_dataset("plain", root)


@pytest.fixture(scope="module")
def packed(sequences: list[Sequence], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_lmdb(sequences, tmp_path_factory.mktemp("packed") / "a.lmdb", GEOMETRY)


def assert_same_crop(a: StoredCrop, b: StoredCrop, levels: float) -> None:
    assert a.images.keys() == b.images.keys() == {"rgb", "tir"}
    assert np.allclose(a.box, b.box)
    for name, image in a.images.items():
        difference = np.abs(image.astype(int) - b.images[name].astype(int))
        assert image.shape == b.images[name].shape
        assert difference.mean() <= levels
        assert (a.pad_values[name] == b.pad_values[name]).all()


def test_both_stores_give_the_same_crops(packed: Path, sequences: list[Sequence]) -> None:
    files, store = FileStore(sequences, GEOMETRY), LmdbStore(packed)
    assert [track.name for track in store.tracks] == ["walk_0", "walk_1", "walk_2"]
    for number, track in enumerate(store.tracks):
        assert (track.frames == files.tracks[number].frames).all()
        for position in range(len(track)):
            assert_same_crop(files.read(number, position), store.read(number, position), 2.0)


def test_the_stored_square_is_four_context_sides_with_the_target_in_its_middle(
    packed: Path, sequences: list[Sequence]
) -> None:
    track = LmdbStore(packed).tracks[1]
    for row, box in enumerate(sequences[1].boxes):
        region = store_region(box, GEOMETRY)
        assert abs(region.side - 4 * context_side(*box[2:])) <= 0.5
        center = xywh_to_cxcywh(track.boxes[row])[:2]
        assert np.abs(center - 60).max() <= 120 / region.side  # half a pixel each way, and scaled


def test_gray_thermal_takes_one_channel(packed: Path) -> None:
    images = LmdbStore(packed).read(0, 0).images
    assert images["rgb"].shape == (120, 120, 3)
    assert images["tir"].shape == (120, 120, 1)


def test_parallel_packing_gives_the_same_file_content(
    packed: Path, sequences: list[Sequence], tmp_path: Path
) -> None:
    other = LmdbStore(pack_lmdb(sequences, tmp_path / "b.lmdb", GEOMETRY, workers=2))
    one = LmdbStore(packed)
    assert one.description_hash == other.description_hash
    for number, track in enumerate(one.tracks):
        for position in range(len(track)):
            assert_same_crop(one.read(number, position), other.read(number, position), 0)


def long_sequence(sequence: Sequence) -> Sequence:
    """Two and a half chunks of frames, over and over the same files."""
    times = int(2.5 * CHUNK / len(sequence)) + 1
    assert sequence.rgb is not None and sequence.tir is not None
    return dataclasses.replace(
        sequence,
        rgb=sequence.rgb * times,
        tir=sequence.tir * times,
        annotation=Annotation(np.tile(sequence.boxes, (times, 1)), np.tile(sequence.absent, times)),
    )


def test_an_interrupted_packing_is_resumed(sequences: list[Sequence], tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    long, out = [long_sequence(sequences[0])], tmp_path / "c.lmdb"
    with pytest.raises(Stop):
        pack_lmdb(long, out, GEOMETRY, on_progress=stop)
    assert not out.exists()
    counts: list[int] = []
    pack_lmdb(long, out, GEOMETRY, on_progress=lambda done, total: counts.append(done))
    assert counts[0] == 2 * CHUNK  # the first chunk was there already
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.lmdb"]
    whole = LmdbStore(pack_lmdb(long, tmp_path / "d.lmdb", GEOMETRY))
    resumed = LmdbStore(out)
    for position in range(0, len(whole.tracks[0]), 20):
        assert_same_crop(whole.read(0, position), resumed.read(0, position), 0)


def test_the_remains_of_another_job_is_refused(sequences: list[Sequence], tmp_path: Path) -> None:
    out = tmp_path / "e.lmdb"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_lmdb(sequences, out, GEOMETRY, on_progress=stop)
    with pytest.raises(ValueError, match="left by another packing job; remove it"):
        pack_lmdb(sequences, out, StoreConfig(size=100))


def test_an_existing_file_is_not_overwritten(sequences: list[Sequence], packed: Path) -> None:
    with pytest.raises(FileExistsError, match="remove it or choose another name"):
        pack_lmdb(sequences, packed, GEOMETRY)


def test_packing_leaves_opencvs_threads_as_they_were(
    sequences: list[Sequence], tmp_path: Path
) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        pack_lmdb(sequences, tmp_path / "threads.lmdb", GEOMETRY)
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_a_sequence_without_boxes_cannot_be_packed(
    sequences: list[Sequence], tmp_path: Path
) -> None:
    annotation = Annotation(np.full_like(sequences[0].boxes, np.nan), sequences[0].absent)
    blank = dataclasses.replace(sequences[0], annotation=annotation)
    with pytest.raises(ValueError, match="nothing to pack"):
        pack_lmdb([blank], tmp_path / "f.lmdb", GEOMETRY)
    with pytest.raises(ValueError, match="nothing to pack"):
        pack_lmdb([], tmp_path / "f.lmdb", GEOMETRY)
    with pytest.raises(ValueError, match="none of 1 sequences has a labelled target"):
        FileStore([blank], GEOMETRY)
    assert list(tmp_path.iterdir()) == []


def test_frames_without_a_target_are_left_out(sequences: list[Sequence]) -> None:
    boxes = sequences[0].boxes.copy()
    boxes[1] = np.nan
    boxes[2, 2:] = 0.5
    absent = sequences[0].absent.copy()
    absent[3] = True
    some = dataclasses.replace(sequences[0], annotation=Annotation(boxes, absent))
    assert FileStore([some], GEOMETRY).tracks[0].frames.tolist() == [0, 4, 5]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_store_is_refused_and_not_read(
    packed: Path, tmp_path: Path, share: float
) -> None:
    cut = tmp_path / f"cut_{share}.lmdb"
    data = packed.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=r"truncated: \d+ bytes of \d+; copy or pack it again"):
        LmdbStore(cut)


def test_other_files_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.lmdb"
    wrong.write_bytes(b"not a store" * 1000)
    with pytest.raises(ValueError, match="not a readable LMDB file"):
        LmdbStore(wrong)
    with pytest.raises(FileNotFoundError, match="make it with rgbt-track data lmdb"):
        LmdbStore(tmp_path / "none.lmdb")


FULL_DISK = """
import resource, signal, sys
from rgbt_track.data.annotations import Annotation
from rgbt_track.data import open_dataset
from rgbt_track.config.pairs import StoreConfig
from rgbt_track.io.images import write_image
from rgbt_track.pairs.lmdb_pack import pack_lmdb
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    pack_lmdb(open_dataset("plain", sys.argv[1]), sys.argv[2], StoreConfig(size=120))
except OSError as error:
    print("error:", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to simulate a full disk")
def test_a_full_disk_is_one_line_and_what_was_packed_stays(
    root: Path, sequences: list[Sequence], tmp_path: Path
) -> None:
    out = tmp_path / "g.lmdb"
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(root), str(out)], capture_output=True, text=True
    )
    assert found.stdout.startswith("error:") and "it goes on where it stopped" in found.stdout
    assert found.stdout.count("\n") == 1
    assert not out.exists()
    assert len(LmdbStore(pack_lmdb(sequences, out, GEOMETRY)).tracks) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_reading_is_fork_safe(packed: Path) -> None:
    store = LmdbStore(packed)
    before = store.read(0, 0)
    child = os.fork()
    if child == 0:
        same = (store.read(0, 0).images["rgb"] == before.images["rgb"]).all()
        again = (LmdbStore(packed).read(1, 2).box == store.read(1, 2).box).all()
        os._exit(0 if same and again else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert_same_crop(store.read(0, 0), before, 0)


def test_a_store_is_pickled_without_its_handle(packed: Path) -> None:
    store = LmdbStore(packed)
    copy = pickle.loads(pickle.dumps(store))
    assert_same_crop(store.read(2, 3), copy.read(2, 3), 0)


def test_masks_are_cut_like_the_images(
    root: Path, sequences: list[Sequence], tmp_path: Path
) -> None:

    files = []
    for number, (x, y, w, h) in enumerate(sequences[0].boxes.astype(int)):
        mask = np.zeros((96, 128), np.uint8)
        mask[y : y + h, x : x + w] = 255
        files.append(tmp_path / f"{number}.png")
        write_image(files[-1], mask)
    masked = dataclasses.replace(sequences[0], masks=tuple(files))
    store = LmdbStore(pack_lmdb([masked], tmp_path / "m.lmdb", GEOMETRY))
    crop = store.read(0, 2)
    assert crop.mask is not None
    rows, columns = np.nonzero(crop.mask)
    extent = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert np.abs(extent - crop.box).max() <= 1.5
    assert (crop.mask == cut_crop(masked, 2, GEOMETRY).mask).all()


def test_pseudo_boxes_lie_in_the_image_and_are_seeded(sequences: list[Sequence]) -> None:
    assert sequences[0].rgb is not None and sequences[0].tir is not None
    still = dataclasses.replace(
        sequences[0],
        rgb=sequences[0].rgb[:1],
        tir=sequences[0].tir[:1],
        annotation=Annotation(np.full((1, 4), np.nan), np.zeros(1, bool)),
    )
    result = add_pseudo_boxes([still, sequences[1]], 5, seed=1)
    boxes = np.concatenate([sequence.boxes for sequence in result[:5]])
    assert len(result) == 6 and result[5] is sequences[1]
    assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= (128, 96)).all()
    assert len({sequence.name for sequence in result}) == 6
    again = np.concatenate([s.boxes for s in add_pseudo_boxes([still], 5, seed=1)])
    assert (boxes == again).all()
    assert (boxes != np.concatenate([s.boxes for s in add_pseudo_boxes([still], 5, seed=2)])).any()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_opens_the_file_anew_and_once(packed: Path) -> None:
    """LMDB forbids to use a handle behind a fork, also one that another store has opened."""
    import lmdb

    store = LmdbStore(packed)
    child = os.fork()
    if child == 0:
        opened, counts, open_file = [], [], lmdb.open
        lmdb.open = lambda *paths, **options: opened.append(paths) or open_file(*paths, **options)
        try:
            for reader in (store, store, LmdbStore(packed)):
                reader.read(0, 0)
                counts.append(len(opened))
        finally:
            os._exit(0 if counts == [1, 1, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_of_another_format_is_refused(packed: Path, tmp_path: Path) -> None:
    import lmdb

    other = tmp_path / "other.lmdb"
    other.write_bytes(packed.read_bytes())
    environment = lmdb.open(str(other), subdir=False)
    with environment, environment.begin(write=True) as transaction:
        meta = json.loads(transaction.get(b"meta"))
        newer = {**meta, "version": meta["version"] + 1}
        transaction.put(b"meta", json.dumps(newer).encode())
    with pytest.raises(ValueError, match="store format 2, this program reads 1: pack it again"):
        LmdbStore(other)


def test_a_full_map_is_made_larger(
    packed: Path, sequences: list[Sequence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packing starts with a map far smaller than the crops, and ends with all of them."""
    import lmdb

    open_file, sizes = lmdb.open, []

    def open_small(*paths: object, map_size: int = 0, **options: object) -> object:
        sizes.append(map_size)
        return open_file(*paths, map_size=1 << 16, **options)

    with monkeypatch.context() as patched:
        patched.setattr(lmdb, "open", open_small)
        out = pack_lmdb(sequences, tmp_path / "grown.lmdb", GEOMETRY)
    assert sizes and out.stat().st_size > 2 << 16
    assert_same_crop(LmdbStore(out).read(2, 5), LmdbStore(packed).read(2, 5), 0)
