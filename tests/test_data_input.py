"""Wrong data sets, one by one: each is refused in one line that names the place."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from data_trees import BOXES, boxed_images, gtot, image, lasher, pairs, plain, saliency, table, vot

from rgbt_track.data import Sequence, load_description, open_dataset
from rgbt_track.data.annotations import Annotation


def refused(error, name, root, *parts, **options):
    with pytest.raises(error) as caught:
        open_dataset(name, root, **options)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


def test_missing_root_and_root_without_sequences(tmp_path):
    refused(FileNotFoundError, "plain", tmp_path / "nowhere", "no such folder", "nowhere")
    refused(FileNotFoundError, "gtot", tmp_path, "nothing of gtot", "<sequence>/v/")
    (tmp_path / "file").write_text("")
    refused(FileNotFoundError, "plain", tmp_path / "file", "no such folder")


def test_unknown_names(tmp_path):
    refused(FileNotFoundError, "lashr", tmp_path, "did you mean 'lasher'?")
    refused(FileNotFoundError, tmp_path / "own.yaml", tmp_path, "no such file", "own.yaml")
    plain(tmp_path)
    refused(ValueError, "plain", tmp_path, "'wolk', did you mean 'walk'?", sequences=["wolk"])
    refused(ValueError, "plain", tmp_path, "plain has no split 'test'; valid: none", split="test")
    lasher(tmp_path / "L")
    refused(ValueError, "lasher", tmp_path / "L", "no split 'val'; valid: train, test", split="val")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rgb: color\nboxs: [a.txt]\n", "unknown key 'boxs', did you mean 'boxes'"),
        ("rgb: color\nlayout: folder\n", "layout is 'folder'; valid: sequences, stills, vot"),
        ("boxes: [a.txt]\n", "name at least one of the folders"),
        ("rgb: color\nlabel_every: 0\n", "label_every must be at least 1"),
        ("rgb: color\nabsent: no\n", "absent is False; valid: never, nonpositive, nan"),
        ("- rgb\n", "expected 'key: value' lines"),
        ("rgb: [color\n", "not a YAML file"),
    ],
)
def test_descriptions_are_checked_by_key(tmp_path, text, part):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"own\.yaml") as caught:
        load_description(path)
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_unequal_frame_counts(tmp_path):
    (plain(tmp_path) / "ir" / "00000001.png").unlink()
    refused(ValueError, "plain", tmp_path, tmp_path / "walk", "3 images in color but 2 in ir")


def test_a_modality_without_images_or_folder(tmp_path):
    folder = plain(tmp_path)
    for path in (folder / "ir").iterdir():
        path.unlink()
    (folder / "ir" / ".hidden.png").write_text("")
    refused(FileNotFoundError, "plain", tmp_path, folder / "ir", "no images")
    shutil.rmtree(folder / "ir")
    refused(FileNotFoundError, "plain", tmp_path, "no such folder", folder / "ir")


def test_missing_ground_truth(tmp_path):
    (plain(tmp_path) / "groundtruth.txt").unlink()
    refused(FileNotFoundError, "plain", tmp_path, "no ground truth; expected groundtruth.txt")


@pytest.mark.parametrize("count", [2, 4])
def test_ground_truth_of_another_length(tmp_path, count):
    path = plain(tmp_path) / "groundtruth.txt"
    table(path, np.resize(BOXES, (count, 4)))
    refused(ValueError, "plain", tmp_path, path, f"{count} rows for 3 frames")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("1,2,3", "row 2 has 3 columns"),
        ("1,2,3,4,5,6,7,8", "row 2 has 8 columns where row 1 has 4"),
        ("lost", "row 2: not numbers: 'lost'"),
        ("nan,nan,nan,nan", "row 2: not a finite box"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, line, part):
    path = plain(tmp_path) / "groundtruth.txt"
    path.write_text(f"1,2,3,4\n{line}\n1,2,3,4\n")
    refused(ValueError, "plain", tmp_path, path, part)


def test_sparse_labels_must_still_fit(tmp_path):
    plain(tmp_path, count=12)
    text = "rgb: color\ntir: ir\nboxes: [groundtruth.txt]\nlabel_every: 10\n"
    (tmp_path / "own.yaml").write_text(text)
    refused(ValueError, tmp_path / "own.yaml", tmp_path, "12 rows for 12 frames (every 10 from")


def test_lists_that_name_what_is_not_there(tmp_path):
    lasher(tmp_path)
    shutil.rmtree(tmp_path / "testingset" / "2up")
    refused(FileNotFoundError, "lasher", tmp_path, "1 of 2 listed", "'2up'", split="test")
    shutil.rmtree(tmp_path / "trainingset")
    refused(FileNotFoundError, "lasher", tmp_path, "trainingsetList.txt", split="train")


def test_faults_of_attribute_and_absence_files(tmp_path):
    lasher(tmp_path)
    path = tmp_path / "AttriSeqsTxt" / "2up.txt"
    path.write_text("0,1,2")
    refused(ValueError, "lasher", tmp_path, path, "3 values; expected 19 of 0 or 1")
    (plain(tmp_path / "p") / "attributes.json").write_text("{")
    refused(ValueError, "plain", tmp_path / "p", "attributes.json: not JSON")


def test_masks_of_another_number(tmp_path):
    image(plain(tmp_path) / "mask" / "1.png", 1, 1)
    refused(ValueError, "plain", tmp_path, "1 masks for 3 frames")


def test_stills_without_counterpart_or_label(tmp_path):
    saliency(tmp_path)
    (tmp_path / "GT" / "9.png").unlink()
    refused(FileNotFoundError, "vt821", tmp_path, "no label for 1 of 2 images, '9' the first")
    (tmp_path / "T" / "10.jpg").unlink()
    refused(ValueError, "vt821", tmp_path, "1 images lack their counterpart", "'10'")


def test_two_stills_of_one_name(tmp_path):
    saliency(tmp_path)
    image(tmp_path / "T" / "9.bmp", 3)
    refused(ValueError, "vt821", tmp_path, "a second image of this name beside")


def test_faults_of_object_labels(tmp_path):
    boxed_images(tmp_path / "a")
    for text in ("[1, 2]", "{", '{"a.jpg": [[1, 2, 3]]}', '{"a.jpg": 3}'):
        (tmp_path / "a" / "boxes.json").write_text(text)
        refused(ValueError, "boxed_images", tmp_path / "a", "boxes.json: expected {")
    (tmp_path / "a" / "boxes.json").write_text('{"a.jpg": [[1, 2, 3, 4], [1, 2, 3, NaN]]}')
    message = "boxes.json: a: row 2: not a finite box: 1, 2, 3, nan"
    refused(ValueError, "boxed_images", tmp_path / "a", message)
    (tmp_path / "a" / "boxes.json").unlink()
    refused(FileNotFoundError, "boxed_images", tmp_path / "a", "no labels; expected boxes.json")
    pairs(tmp_path / "b")
    path = tmp_path / "b" / "msrs" / "boxes_fusion" / "00004N.txt"
    path.write_text("person,1,2,3\n")
    refused(ValueError, "pairs", tmp_path / "b", path, "row 1 has 3 numbers")
    path.write_text("person,1,2,3,x\n")
    refused(ValueError, "pairs", tmp_path / "b", path, "row 1: not numbers")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("1,2,3,4,5", "5 numbers; expected a rectangle, polygon or mask"),
        ("m1,1,2,2,0,9", "9 mask pixels for 2x2"),
        ("m1,1,2", "mask"),
        ("m1,1,2,2,-3,1", "mask"),
        ("hello", "not numbers"),
    ],
)
def test_regions_that_are_none(tmp_path, line, part):
    vot(tmp_path)
    path = tmp_path / "sequences" / "afterrain" / "groundtruth.txt"
    path.write_text(f"1,2,3,4\n{line}\n")
    refused(ValueError, "vot_rgbt2020", tmp_path, f"{path}: row 2", part)


def test_vot_folders_with_faults(tmp_path):
    vot(tmp_path)
    folder = tmp_path / "sequences" / "afterrain"
    text = (folder / "groundtruth.txt").read_text()
    (folder / "groundtruth.txt").write_text(text + "1,2,3,4\n")
    refused(ValueError, "vot_rgbt2020", tmp_path, "5 rows for 4 frames")
    (folder / "ir" / "00000004.png").unlink()
    refused(ValueError, "vot_rgbt2020", tmp_path, "4 images in channel color but 3 in ir")
    shutil.rmtree(folder / "ir")
    refused(FileNotFoundError, "vot_rgbt2020", tmp_path, "no frames of channel ir")
    (folder / "sequence").write_text("channels.color=color/%08d.jpg\n")
    refused(ValueError, "vot_rgbt2020", tmp_path, "no line 'channels.ir=...'")


def test_a_sequence_needs_frames_and_equal_lengths(tmp_path):
    boxes, absent = np.ones((2, 4)), np.zeros(2, bool)
    with pytest.raises(ValueError, match="needs visible or thermal frames"):
        Sequence("x", None, None, Annotation(boxes, absent))
    with pytest.raises(ValueError, match="x: 1 rgb for 2 boxes"):
        Sequence("x", (tmp_path,), None, Annotation(boxes, absent))
    with pytest.raises(ValueError, match="1 absent for 2 boxes"):
        Annotation(boxes, absent[:1])


def test_reading_a_frame_that_is_none(tmp_path):
    gtot(tmp_path)
    sequence = open_dataset("gtot", tmp_path)[0]
    sequence.rgb[1].write_bytes(b"no image")
    with pytest.raises(ValueError, match="not a readable image"):
        sequence.frame(1)
    sequence.tir[0].unlink()
    with pytest.raises(FileNotFoundError, match="no such image"):
        sequence.frame(0)
