"""Data sets of video files: frames by number, a sequence per target, a group per video."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from data_trees import BOXES, SIZE, table, track, video

from rgbt_track.config.pairs import SourceConfig, StoreConfig
from rgbt_track.data import open_dataset
from rgbt_track.data.check import check_dataset
from rgbt_track.io import videos
from rgbt_track.io.videos import VideoFrame, count_frames, read_video_frame
from rgbt_track.pairs.crop_store import FileStore
from rgbt_track.pairs.lmdb_pack import pack_lmdb
from rgbt_track.pairs.lmdb_store import LmdbStore
from rgbt_track.pairs.sampler import PairSampler, pair_generator

PAIRS = """layout: video
rgb: color/*.avi
tir: thermal/*.avi
boxes: ["labels/{name}__*.txt"]
"""


def described(folder: Path, text: str) -> Path:
    path = folder / "videos.yaml"
    path.write_text(text)
    return path


def close(image: np.ndarray, truth: np.ndarray) -> bool:
    return bool(np.abs(image.astype(int) - truth).max() <= 4)


@pytest.mark.parametrize("order", [range(20), [7, 7, 3, 19, 0, 4, 5], [19, 18, 17]])
def test_a_frame_is_the_one_that_a_reader_from_the_beginning_gets(tmp_path, order):
    truth = video(tmp_path / "a.avi", 20)
    assert count_frames(tmp_path / "a.avi") == 20
    for number in order:
        image = read_video_frame(VideoFrame(tmp_path / "a.avi", number))
        assert image.dtype == np.uint8 and close(image, truth[number]), number


def test_reading_in_order_opens_a_video_once_and_few_stay_open(tmp_path, monkeypatch):
    opened = []
    original = videos.VideoReader
    monkeypatch.setattr(
        videos, "VideoReader", lambda *path: (opened.append(path), original(*path))[1]
    )
    for name in "abc":
        video(tmp_path / f"{name}.avi", 6)
    for number in (0, 1, 3, 5):  # a pair of files, frame by frame
        for name in "ab":
            read_video_frame(VideoFrame(tmp_path / f"{name}.avi", number))
    assert len(opened) == 2
    read_video_frame(VideoFrame(tmp_path / "c.avi", 0))
    assert len(videos._local.decoders) == videos._MAX_OPEN


def test_every_thread_and_every_process_has_a_decoder_of_its_own(tmp_path, monkeypatch):
    truth = video(tmp_path / "a.avi", 20)
    frame = VideoFrame(tmp_path / "a.avi", 3)
    read_video_frame(frame)
    good = []

    def read_all():
        order = [VideoFrame(tmp_path / "a.avi", number) for number in range(20)]
        good.append(all(close(read_video_frame(f), truth[f.number]) for f in order))

    threads = [threading.Thread(target=read_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert good == [True] * 3
    before = list(videos._local.decoders.values())
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as after a fork
    assert close(read_video_frame(frame), truth[3])
    assert videos._local.decoders[next(iter(videos._local.decoders))] is not before[0]


def test_errors_of_a_video_are_one_line(tmp_path):
    video(tmp_path / "short.avi", 3)
    with pytest.raises(ValueError, match=r"short.avi: frame 3 cannot be read.*after 3 frames"):
        read_video_frame(VideoFrame(tmp_path / "short.avi", 3))
    with pytest.raises(FileNotFoundError, match="no such video"):
        read_video_frame(VideoFrame(tmp_path / "none.avi", 0))
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.avi: cannot be opened; not a video"):
        count_frames(tmp_path / "text.avi")


def test_every_target_is_a_sequence_and_every_video_a_group(tmp_path):
    truth = video(tmp_path / "yard.avi", 9)
    video(tmp_path / "yard__gate.avi", 4, first=9)
    track(tmp_path / "yard__dog.txt", first=2)
    table(tmp_path / "yard__cat.txt", [[5, 1, 1, 4, 4], [3, 0, 0, 4, 4], [6, 1, 1, 0, 4]])
    track(tmp_path / "yard__gate__man.txt")
    cat, dog, man = open_dataset("video_tir", tmp_path)
    assert [each.name for each in (cat, dog, man)] == ["yard__cat", "yard__dog", "yard__gate__man"]
    assert [each.group for each in (cat, dog, man)] == ["yard", "yard", "yard__gate"]
    np.testing.assert_array_equal(dog.boxes, BOXES)
    np.testing.assert_array_equal(cat.labelled, [True, False, True, False])
    np.testing.assert_array_equal(cat.absent, [False, False, False, True])
    rgb, tir = cat.frame(2)
    assert rgb is None and tir is not None and close(tir, truth[5])


def test_two_files_of_one_name_are_a_pair(tmp_path):
    visible = video(tmp_path / "color" / "a.avi", 5)
    thermal = video(tmp_path / "thermal" / "a.avi", 5, first=6)
    track(tmp_path / "labels" / "a__x.txt", first=1)
    (sequence,) = open_dataset(described(tmp_path, PAIRS), tmp_path)
    rgb, tir = sequence.frame(1)
    assert close(rgb, visible[2]) and close(tir, thermal[2])
    (tmp_path / "thermal" / "a.avi").rename(tmp_path / "thermal" / "b.avi")
    with pytest.raises(ValueError, match="no tir video of the name 'a'"):
        open_dataset(described(tmp_path, PAIRS), tmp_path)


def test_videos_without_targets_are_whole_sequences_where_labels_are_optional(tmp_path):
    video(tmp_path / "a.avi", 5)
    with pytest.raises(FileNotFoundError, match=r"no target of a; expected a__\*.txt"):
        open_dataset("video_rgb", tmp_path)
    path = described(tmp_path, 'layout: video\nrgb: "*"\nlabels: optional\n')
    (sequence,) = open_dataset(path, tmp_path)
    assert sequence.name == "a" and len(sequence) == 5 and not sequence.labelled.any()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3,1,1,4", "row 4 has 4 numbers; expected frame,x,y,w,h"),
        ("1.5,1,1,4,4", "row 4: 1.5 is no frame"),
        ("-1,1,1,4,4", "row 4: -1 is no frame"),
        ("1,1,1,4,4", "row 4: frame 1 has a row already"),
        ("a,1,1,4,4", "row 4: not numbers"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    video(tmp_path / "a.avi", 5)
    track(tmp_path / "a__x.txt")
    with (tmp_path / "a__x.txt").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(ValueError, match=message):
        open_dataset("video_tir", tmp_path)


def test_a_pattern_must_have_one_star(tmp_path):
    with pytest.raises(ValueError, match=r"'a\.mp4' needs one '\*'"):
        open_dataset(described(tmp_path, "layout: video\nrgb: a.mp4\n"), tmp_path)


def test_check_finds_a_label_behind_the_end_of_a_video(tmp_path):
    video(tmp_path / "a.avi", 4)
    track(tmp_path / "a__x.txt")
    assert check_dataset("video_tir", tmp_path) == []
    track(tmp_path / "a__y.txt", first=3)
    (finding,) = check_dataset("video_tir", tmp_path)
    assert finding.kind == "error" and "a.avi: frame 4" in finding.place
    assert "the video ends after 4 frames" in finding.text


def test_crops_are_packed_and_no_target_is_a_negative_of_its_video(tmp_path):
    for name, first in (("a", 0), ("b", 9)):
        video(tmp_path / f"{name}.avi", 6, first)
        track(tmp_path / f"{name}__x.txt")
        track(tmp_path / f"{name}__y.txt", first=2)
    geometry = StoreConfig(size=63)
    sequences = open_dataset("video_tir", tmp_path)
    loose = FileStore(sequences, geometry)
    packed = LmdbStore(pack_lmdb(sequences, tmp_path / "videos.lmdb", geometry))
    assert [track.group for track in packed.tracks] == ["a", "a", "b", "b"]
    for number in range(4):
        crop, expected = packed.read(number, 1), loose.read(number, 1)
        assert crop.images["tir"].shape == (63, 63, 1)
        assert np.abs(crop.images["tir"].astype(int) - expected.images["tir"]).max() <= 3
    sampler = PairSampler([packed], [SourceConfig(lmdb="videos.lmdb")], negative=1.0)
    for index in range(40):
        pair = sampler.draw(pair_generator(1, 0, index))
        groups = {packed.tracks[each.track].group for each in (pair.template, pair.search)}
        assert pair.negative and len(groups) == 2


def test_what_needs_image_files_says_so(tmp_path):
    video(tmp_path / "a.avi", 5)
    track(tmp_path / "a__x.txt")
    (sequence,) = open_dataset("video_tir", tmp_path)
    with pytest.raises(ValueError, match=r"a__x: frames of the video .*a.avi; this needs tir"):
        sequence.image_files("tir")
    assert sequence.frame(0)[1].shape == (*SIZE, 3)
