"""Every shipped description reads a tiny copy of its set's tree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_trees import BOXES, SIZE, TREES, frames, image, mask, plain, table

from rgbt_track.data import load_description, open_dataset
from rgbt_track.data.check import check_dataset
from rgbt_track.data.layouts.vot_folders import region_box
from rgbt_track.data.masks import boxes_from_masks
from rgbt_track.data.open import has_frames, open_annotations
from rgbt_track.io.images import natural_key
from rgbt_track.resources import names


def test_every_shipped_description_has_a_tree_and_says_where_it_is_from():
    assert set(names("datasets")) == set(TREES)
    for name in names("datasets"):
        description = load_description(name)
        assert description.title and description.licence and description.tree


@pytest.mark.parametrize("name", TREES)
def test_every_layout_opens_and_its_frames_read(tmp_path, name):
    TREES[name](tmp_path)
    description = load_description(name)
    sequences = open_dataset(name, tmp_path)
    assert len(sequences) > 0 and len({each.name for each in sequences}) == len(sequences)
    for sequence in sequences:
        assert len(sequence) == len(sequence.boxes) == len(sequence.absent)
        rgb, tir = sequence.frame(len(sequence) - 1)
        assert (rgb is None) == (description.rgb is None)
        assert (tir is None) == (description.tir is None)
        if rgb is not None:
            assert rgb.shape == (*SIZE, 3)
        if tir is not None:
            assert tir.shape[:2] == SIZE


@pytest.mark.parametrize("name", ["plain", "gtot", "rgbt234", "lasher"])
def test_annotations_are_read_without_any_frame(tmp_path, name):
    TREES[name](tmp_path)
    sequences = open_dataset(name, tmp_path)
    description = load_description(name)
    for folder in (description.rgb, description.tir):
        for path in tmp_path.rglob(str(folder)):
            shutil.rmtree(path)
    assert not has_frames(description, tmp_path)
    annotations = open_annotations(name, tmp_path)
    assert list(annotations) == [sequence.name for sequence in sequences]
    for sequence in sequences:
        annotation = annotations[sequence.name]
        np.testing.assert_array_equal(annotation.boxes, sequence.boxes)
        np.testing.assert_array_equal(annotation.absent, sequence.absent)
        assert annotation.attributes == sequence.attributes
        assert (annotation.boxes_tir is None) == (sequence.boxes_tir is None)
        if annotation.boxes_tir is not None:
            np.testing.assert_array_equal(annotation.boxes_tir, sequence.boxes_tir)
    first = sequences[0].name
    assert list(open_annotations(name, tmp_path, sequences=[first])) == [first]


@pytest.mark.parametrize("name", ["vtuav", "boxed_images", "vot_rgbt2020"])
def test_annotations_that_need_the_frames_are_refused(tmp_path, name):
    TREES[name](tmp_path)
    assert has_frames(load_description(name), tmp_path)
    with pytest.raises(FileNotFoundError, match="labels alone do not tell the frames"):
        open_annotations(name, tmp_path)


def test_annotations_of_an_empty_folder_name_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither images nor ground truth of gtot"):
        open_annotations("gtot", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        open_annotations("gtot", tmp_path / "none")


def opened(name, root, **options):
    TREES[name](root)
    return {each.name: each for each in open_dataset(name, root, **options)}


def test_plain(tmp_path):
    sequence = opened("plain", tmp_path)["walk"]
    np.testing.assert_array_equal(sequence.boxes, BOXES)
    assert sequence.labelled.all() and not sequence.absent.any()
    (tmp_path / "walk" / "attributes.json").write_text('{"attributes": ["night"]}')
    assert open_dataset("plain", tmp_path)[0].attributes == ("night",)


def test_a_single_sequence_opens_by_its_own_folder(tmp_path, monkeypatch):
    plain(tmp_path)
    assert [each.name for each in open_dataset("plain", tmp_path / "walk")] == ["walk"]
    monkeypatch.chdir(tmp_path / "walk")
    assert [each.name for each in open_dataset("plain", ".")] == ["walk"]


def test_frames_and_sequences_come_in_natural_order(tmp_path):
    for name in ("walk10", "walk9"):
        plain(tmp_path, name)
        for path in sorted((tmp_path / name / "color").iterdir()):
            path.rename(path.with_name(f"{int(path.stem) + 8}.jpg"))
    sequences = open_dataset("plain", tmp_path)
    assert [each.name for each in sequences] == ["walk9", "walk10"]
    assert [path.stem for path in sequences[0].rgb] == ["8", "9", "10"]
    assert sorted(["10", "9a", "9", "b1"], key=natural_key) == ["9", "9a", "10", "b1"]


def test_gtot_corners_of_both_modalities(tmp_path):
    sequence = opened("gtot", tmp_path)["BlackCar"]
    np.testing.assert_array_equal(sequence.boxes, BOXES)
    np.testing.assert_array_equal(sequence.boxes_tir, BOXES + np.array([1, 1, 0, 0]))


def test_rgbt234_boxes_of_both_modalities(tmp_path):
    sequence = opened("rgbt234", tmp_path)["blkboy`shead"]
    np.testing.assert_array_equal(sequence.boxes, BOXES)
    np.testing.assert_array_equal(sequence.boxes_tir, BOXES + 1)


def test_lasher_absent_targets_attributes_and_splits(tmp_path):
    found = opened("lasher", tmp_path)
    assert list(found) == ["2up", "9boy", "10runone"]
    assert found["9boy"].absent.tolist() == [False, False, True]
    np.testing.assert_array_equal(found["9boy"].boxes[2], 0)
    assert found["9boy"].labelled.tolist() == [True, True, False]
    assert found["10runone"].attributes == ("PO", "LI") and found["9boy"].attributes == ()
    # The test list gives its own order; there is no training list, so the folder decides.
    assert [each.name for each in open_dataset("lasher", tmp_path, "test")] == ["10runone", "2up"]
    assert [each.name for each in open_dataset("lasher", tmp_path, "train")] == ["9boy"]


def test_vtuav_labels_every_tenth_frame(tmp_path):
    sequence = opened("vtuav", tmp_path)["bus_001"]
    assert np.flatnonzero(sequence.labelled).tolist() == [0, 10, 20]
    np.testing.assert_array_equal(sequence.boxes[[0, 10, 20]], BOXES)
    np.testing.assert_array_equal(sequence.boxes_tir[20], BOXES[2] + 1)
    assert not sequence.absent.any()
    assert [each.name for each in open_dataset("vtuav", tmp_path, "test_lt")] == ["car_002"]


def test_vot_regions_of_every_kind(tmp_path):
    sequence = opened("vot_rgbt2020", tmp_path)["afterrain"]
    np.testing.assert_array_equal(sequence.boxes[:2], BOXES[:2])
    np.testing.assert_array_equal(sequence.boxes[2], [4, 3, 10, 8])
    assert sequence.absent.tolist() == [False, False, False, True]
    assert sequence.attributes == ("occlusion",)


def test_vot_masks_agree_with_the_toolkit():
    io = pytest.importorskip("vot.region.io")
    random = np.random.default_rng(3)
    for _ in range(20):
        pixels = np.zeros((20, 30), np.uint8)
        x, y, w, h = random.integers(1, 9, 4)
        pixels[y : y + h, x : x + w] = random.integers(0, 2, (h, w))
        pixels[y, x] = 1
        (left, top, width, height), runs = io.encode_mask(pixels)
        line = "m" + ",".join(map(str, [left, top, width, height, *runs]))
        rows, columns = np.nonzero(pixels)
        expected = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        np.testing.assert_array_equal(region_box(line, "row"), expected)


def test_saliency_boxes_come_from_the_largest_object(tmp_path):
    sequences = opened("vt5000", tmp_path)
    assert list(sequences) == ["Test-9", "Test-10", "Train-9", "Train-10"]
    np.testing.assert_array_equal(sequences["Train-9"].boxes, BOXES[:1])
    assert sequences["Train-9"].mask(0).sum() == 80
    assert len(open_dataset("vt5000", tmp_path, "train")) == 2
    mask(tmp_path / "two.png", (1, 1, 4, 4), 1)
    pixels = cv2.imread(str(tmp_path / "two.png"), cv2.IMREAD_UNCHANGED)
    pixels[10:20, 10:25] = 1
    cv2.imwrite(str(tmp_path / "two.png"), pixels)
    np.testing.assert_array_equal(boxes_from_masks([tmp_path / "two.png"]), [[10, 10, 15, 10]])


def test_equal_names_in_different_folders_are_told_apart(tmp_path):
    assert list(opened("kaist", tmp_path)) == ["V001", "set00-V000", "set06-V000"]
    assert [each.name for each in open_dataset("kaist", tmp_path, "test")] == ["set06-V000"]
    assert not open_dataset("kaist", tmp_path)[0].labelled.any()


def test_rgb_only_sequence_has_masks_and_no_thermal(tmp_path):
    sequence = opened("plain_rgb", tmp_path)["dog"]
    assert sequence.tir is None and sequence.frame(0)[1] is None
    assert sequence.mask(1)[3:11, 3:13].all() and sequence.mask(1).sum() == 80


def test_objects_of_a_boxed_image_find_their_label_in_its_mask(tmp_path):
    sequences = opened("boxed_images", tmp_path)
    assert list(sequences) == ["a-1", "a-2", "b"]
    assert sequences["a-1"].mask(0).sum() == 80 and sequences["a-2"].mask(0).sum() == 36
    assert sequences["b"].mask(0) is None
    np.testing.assert_array_equal(sequences["a-2"].boxes, [[20, 2, 6, 6]])
    chosen = open_dataset("boxed_images", tmp_path, sequences=["a-2"])
    assert [each.name for each in chosen] == ["a-2"]


def test_pairs_with_and_without_boxes(tmp_path):
    sequences = opened("pairs", tmp_path)
    assert list(sequences) == ["msrs-00004N-1", "msrs-00004N-2", "road-00004N"]
    np.testing.assert_array_equal(sequences["msrs-00004N-1"].boxes, BOXES[:1])
    assert not sequences["road-00004N"].labelled.any()


def test_own_footage_by_a_yaml_of_a_dozen_lines(tmp_path):
    for name in ("gate", "yard"):
        frames(tmp_path / "footage" / name / "cam0", "frame_{}.jpg", 12)
        frames(tmp_path / "footage" / name / "cam1", "frame_{}.tiff", 12, 1)
        rows = [[*(row[:2] + 1), *(row[:2] + row[2:] + 1)] for row in BOXES]
        rows[1] = ["nan"] * 4
        table(tmp_path / "footage" / name / "labels.csv", rows, "; ")
    description = tmp_path / "own.yaml"
    description.write_text(
        "title: our two cameras\nlicence: ours\n"
        "rgb: cam0\ntir: cam1\n"
        "boxes: [labels.csv]\nbox_format: xyxy\nfirst_pixel: 1\n"
        "label_first: 1\nlabel_every: 5\nabsent: nan\n"
        "splits:\n  - {name: val, folders: [yard]}\n"
    )
    sequence = open_dataset(description, tmp_path / "footage")[0]
    assert [path.stem for path in sequence.rgb[8:11]] == ["frame_8", "frame_9", "frame_10"]
    np.testing.assert_array_equal(sequence.boxes[[1, 11]], BOXES[[0, 2]])
    assert np.flatnonzero(sequence.absent).tolist() == [6]
    assert np.flatnonzero(sequence.labelled).tolist() == [1, 11]
    assert [each.name for each in open_dataset(description, tmp_path / "footage", "val")] == [
        "yard"
    ]


def test_an_absence_file_overrides_the_boxes(tmp_path):
    plain(tmp_path)
    (tmp_path / "walk" / "absent.txt").write_text("0\n1\n0\n")
    description = tmp_path / "own.yaml"
    description.write_text(
        "rgb: color\ntir: ir\nboxes: [groundtruth.txt]\nabsent_file: absent.txt\n"
    )
    assert open_dataset(description, tmp_path)[0].absent.tolist() == [False, True, False]


def test_masks_alone_label_a_sequence(tmp_path):
    for index, box in enumerate(BOXES):
        image(tmp_path / "cat" / "color" / f"{index}.jpg", index)
        mask(tmp_path / "cat" / "mask" / f"{index}.png", box)
    (tmp_path / "own.yaml").write_text("rgb: color\nmasks: mask\n")
    sequence = open_dataset(tmp_path / "own.yaml", tmp_path)[0]
    np.testing.assert_array_equal(sequence.boxes, np.floor(BOXES))


@pytest.mark.data
def test_the_real_material_opens_and_is_whole():
    if "RGBT_TRACK_DATA" not in os.environ:
        pytest.skip("RGBT_TRACK_DATA does not name the folder of the real material")
    material = Path(os.environ["RGBT_TRACK_DATA"])
    expected = {
        ("plain", "rgbt"): (8, 1978, 1978),
        ("plain_rgb", "rgb/tracking"): (26, 1522, 1522),
        ("boxed_images", "rgb/boxed"): (2322, 2322, 2322),
        ("pairs", "rgbt_pairs"): (373, 373, 102),
    }
    for (name, folder), counts in expected.items():
        sequences = open_dataset(name, material / folder)
        labelled = sum(int(each.labelled.sum()) for each in sequences)
        assert (len(sequences), sum(map(len, sequences)), labelled) == counts
        assert not [
            each for each in check_dataset(name, material / folder, True) if each.kind == "error"
        ]
