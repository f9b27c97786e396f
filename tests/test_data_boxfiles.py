"""The box file parser: every format in the wild, every fault by file and row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rgbt_track.io.box_files import read_box_rows, write_boxes
from rgbt_track.io.files import write_text


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3,4\n5,6,7,8\n",
        "1\t2\t3\t4\n5\t6\t7\t8",
        "1 2 3 4\n5 6 7 8\n\n\n",
        " 1, 2 ,3,\t4,\r\n5;6;7;8\r\n",
        "1.000000000000000000e+00 2e0 3E+0 4\n5.0 6.0 7.0 8.0\n",
        "\ufeff1,2,3,4\n5,6,7,8\n",
    ],
)
def test_formats_in_the_wild_read_alike(tmp_path, text):
    path = tmp_path / "boxes.txt"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_box_rows(path), [[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("\n \n", "no rows"),
        ("x y w h\n1 2 3 4\n", "row 1: not numbers: 'x y w h'"),
        ("1,2,3,4\n\n1,2,3,4\n", "row 2: not numbers"),
        ("1,2,3,4\n1,,3,4\n", "row 2: not numbers"),
        ("1,2,3\n", "row 1 has 3 columns; expected 4 or 8"),
        ("1,2,3,4\n1,2,3,4,5,6,7,8\n", "row 2 has 8 columns where row 1 has 4"),
        ("1,2,3,4\n1,2,nan,4\n", "row 2: not a finite box"),
        ("1,2,3,inf\n", "row 1: not a finite box"),
    ],
)
def test_a_fault_names_file_and_row(tmp_path, text, message):
    path = tmp_path / "boxes.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"boxes\.txt") as caught:
        read_box_rows(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        read_box_rows(tmp_path / "nowhere.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match="not a text file"):
        read_box_rows(tmp_path / "binary.txt")


def test_nan_rows_only_where_allowed(tmp_path):
    path = tmp_path / "boxes.txt"
    write_boxes(path, [[1, 2, 3, 4], [np.nan] * 4])
    assert np.isnan(read_box_rows(path, allow_nan=True)[1]).all()
    with pytest.raises(ValueError, match="row 2"):
        read_box_rows(path)
    path.write_text("1,2,3,inf\n")
    with pytest.raises(ValueError, match="row 1"):
        read_box_rows(path, allow_nan=True)


@pytest.mark.parametrize("columns", [4, 8])
def test_written_boxes_read_back(tmp_path, columns):
    boxes = np.random.default_rng(columns).uniform(-50, 500, (7, columns))
    write_boxes(tmp_path / "boxes.txt", boxes, decimals=4)
    np.testing.assert_allclose(read_box_rows(tmp_path / "boxes.txt"), boxes, atol=5.1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["boxes.txt"]


def test_unwritable_boxes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="shape"):
        write_boxes(tmp_path / "boxes.txt", [[1, 2, 3]])
    with pytest.raises(ValueError, match="row 2 is infinite"):
        write_boxes(tmp_path / "boxes.txt", [[1, 2, 3, 4], [1, 2, 3, np.inf]])
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "kept.txt"
    write_text(path, "old")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"No space left on device: .*kept\.txt"):
        write_text(path, "new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.txt"]
