"""Result files of the wild, and bad input: each error is one line that names file and row."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rgbt_track.evaluation import read_boxes, score_results
from rgbt_track.evaluation.result_files import frame_rate, result_paths, tracker_folders

BOXES = np.array([[1.5, 2, 30, 40], [2.5, 3, 31, 41]])
TRUTH = {"a": np.full((3, 4), 10.0)}


@pytest.mark.parametrize(
    "text",
    [
        "1.5,2,30,40\n2.5,3,31,41\n",
        "1.5, 2, 30, 40\r\n2.5, 3, 31, 41",
        "1.5\t2\t30\t40\n2.5\t3\t31\t41\n\n",
        "  1.5   2 30 40\n2.5 3 31 41\n",
        "1.5;2;30;40\n2.5;3;31;41\n",
        "1.5,2,30,40,\n2.5,3,31,41,\n",
        "\ufeff1.500000000000000000e+00 2.000000000000000000e+00 3e1 4E+01\n2.5 3 31 41\n",
    ],
)
def test_every_format_in_the_wild_reads_alike(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    assert np.array_equal(read_boxes(path), BOXES)


def test_eight_columns_and_nan_are_kept(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0,0,4,0,4,5,0,5\nNaN,nan,NaN,nan,NaN,nan,NaN,nan\n")
    boxes = read_boxes(path)
    assert boxes.shape == (2, 8)
    assert np.isnan(boxes[1]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("\n\n", "no rows"),
        ("1,2,3,4\n1,2,three,4\n", "row 2 is|row 2: not numbers"),
        ("1,2,3\n", "row 1 has 3 columns"),
        ("1,2,3,4\n1,2,3,4,5,6,7,8\n", "row 2 has 8 columns"),
        ("1,2,3,4\n\n1,2,3,4\n", "row 2"),
        ("1,2,3,inf\n", "row 1"),
    ],
)
def test_a_bad_file_is_named_with_its_row(tmp_path, text, message):
    path = tmp_path / "walk.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_boxes(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_can_be_refused(tmp_path):
    path = tmp_path / "walk.txt"
    path.write_text("1,2,3,4\nnan,2,3,4\n")
    with pytest.raises(ValueError, match="row 2"):
        read_boxes(path, allow_nan=False)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        read_boxes(tmp_path / "gone.txt")


# --- which file belongs to which sequence


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1,2,3,4\n")


def test_prefixes_quotes_and_case(tmp_path):
    make(tmp_path, "APFNet_blkboy`shead.txt", "APFNet_leftgirlswhitebag.txt", "APFNet_Car10.TXT")
    paths = result_paths(tmp_path, ["blkboy`shead", "leftgirl'swhitebag", "car10", "car"])
    assert {name: path.name for name, path in paths.items()} == {
        "blkboy`shead": "APFNet_blkboy`shead.txt",
        "leftgirl'swhitebag": "APFNet_leftgirlswhitebag.txt",
        "car10": "APFNet_Car10.TXT",
    }


def test_the_longest_sequence_name_wins(tmp_path):
    make(tmp_path, "T_car.txt", "T_red_car.txt", "whitecar.txt")
    paths = result_paths(tmp_path, ["car", "red_car", "whitecar"])
    assert {name: path.name for name, path in paths.items()} == {
        "car": "T_car.txt",
        "red_car": "T_red_car.txt",
        "whitecar": "whitecar.txt",
    }


def test_an_exact_name_beats_a_prefix_and_two_prefixes_are_refused(tmp_path):
    make(tmp_path, "car.txt", "T_car.txt")
    assert result_paths(tmp_path, ["car"])["car"].name == "car.txt"
    make(tmp_path, "A_bus.txt", "B_bus.txt")
    with pytest.raises(ValueError, match=r"A_bus\.txt and B_bus\.txt"):
        result_paths(tmp_path, ["bus"])


def test_a_longer_prefix_is_another_result_unless_it_goes_on_from_the_shorter(tmp_path):
    make(tmp_path, "T_car.txt", "T_red_car.txt")  # red_car may lie outside of the split
    assert result_paths(tmp_path, ["car"])["car"].name == "T_car.txt"
    make(tmp_path, "MFNet_car.txt")
    with pytest.raises(ValueError, match=r"T_car\.txt and MFNet_car\.txt.*keep one"):
        result_paths(tmp_path, ["car"])
    make(tmp_path, "bus.txt", "bus.csv")
    with pytest.raises(ValueError, match=r"bus\.csv and bus\.txt"):
        result_paths(tmp_path, ["bus"])


def test_files_beside_the_boxes_are_not_results(tmp_path):
    make(tmp_path, "car.txt", "car_time.txt", "car_all_scores.txt", "run_time.txt")
    assert list(result_paths(tmp_path, ["car"])) == ["car"]
    assert result_paths(tmp_path, ["run_time"])["run_time"].name == "run_time.txt"


def test_a_folder_per_sequence(tmp_path):
    make(tmp_path, "car/car_001.txt", "car/car_time.txt", "bus/bus_001.txt")
    paths = result_paths(tmp_path, ["car", "bus"])
    assert {name: path.name for name, path in paths.items()} == {
        "car": "car_001.txt",
        "bus": "bus_001.txt",
    }


def test_one_tracker_or_several(tmp_path):
    make(tmp_path, "A/car.txt", "B/B_car.txt", "notes/readme.txt")
    assert list(tracker_folders(tmp_path, ["car"])) == ["A", "B"]
    assert list(tracker_folders(tmp_path / "A", ["car"])) == ["A"]
    with pytest.raises(FileNotFoundError, match="no result files"):
        tracker_folders(tmp_path, ["bus"])
    with pytest.raises(FileNotFoundError, match="no such folder"):
        tracker_folders(tmp_path / "C", ["car"])


def test_speed_from_time_files(tmp_path):
    make(tmp_path, "car.txt", "bus.txt")
    (tmp_path / "car_time.txt").write_text("0.5\n0.25\n0.25\n")
    (tmp_path / "bus_time.txt").write_text("1.0\n")
    paths = result_paths(tmp_path, ["car", "bus"])
    assert frame_rate(paths) == pytest.approx(4 / 2)
    (tmp_path / "bus_time.txt").write_text("1.0\nsoon\n")
    with pytest.raises(ValueError, match=r"bus_time\.txt: row 2"):
        frame_rate(paths)
    (tmp_path / "bus_time.txt").unlink()
    (tmp_path / "car_time.txt").unlink()
    assert frame_rate(paths) is None


# --- what score_results refuses


def refused(match, *arguments, **options):
    with pytest.raises(ValueError, match=match) as caught:
        score_results(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_refused_with_the_nearest():
    refused("did you mean 'lasher'.*valid: gtot", "lashr", TRUTH, TRUTH)
    refused("did you mean 'pysot'", "lasher", TRUTH, TRUTH, rules="pysott")


def test_missing_sequences_are_counted_and_named():
    truth = {name: TRUTH["a"] for name in "abcdefgh"}
    refused("b, c, d, e, f and 2 more: no result for 7 of 8", "lasher", TRUTH, truth)
    refused("no ground truth", "lasher", TRUTH, {})


def test_results_without_ground_truth_are_told():
    with pytest.warns(UserWarning, match="b: no ground truth, not scored"):
        score_results("rgbt210", {**TRUTH, "b": TRUTH["a"]}, TRUTH)


@pytest.mark.parametrize("benchmark", ["gtot", "rgbt210", "rgbt234", "vtuav"])
def test_another_length_is_an_error(benchmark):
    truth = {"a": np.array([[10.0, 10, 20, 20]] * 3)}
    for rows in (2, 4):
        result = {"a": np.full((rows, 4), 10.0)}
        refused(f"a: the result has {rows} rows, the ground truth 3", benchmark, result, truth)


def test_lasher_cuts_longer_results_and_says_so_and_refuses_shorter():
    with pytest.warns(UserWarning, match="a: the result has 5 rows, the ground truth 3: cut"):
        score_results("lasher", {"a": np.full((5, 4), 10.0)}, TRUTH)
    refused("incomplete", "lasher", {"a": TRUTH["a"][:2]}, TRUTH)
    refused("incomplete", "lasher", {"a": TRUTH["a"][:2]}, TRUTH, rules="pytracking")


def test_nan_is_repaired_where_the_rules_say_how_and_refused_elsewhere():
    result = {"a": TRUTH["a"].copy()}
    result["a"][1, 2] = np.nan
    with pytest.warns(UserWarning, match="a: 1 rows without a valid box"):
        score_results("lasher", result, TRUTH)
    refused("a: row 2 of the result is no box", "rgbt210", result, TRUTH)
    refused("a: row 2 of the result is no box", "lasher", result, TRUTH, rules="pytracking")
    result["a"][1, 2] = np.inf
    refused("a: row 2 of the result is no box", "lasher", result, TRUTH)
    result["a"][1, 2] = -4
    refused("a: row 2 of the result is no box", "lasher", result, TRUTH, rules="pytracking")


def test_bad_ground_truth_is_refused():
    two = {"a": {"visible": TRUTH["a"], "infrared": TRUTH["a"][:2]}}
    refused("3 rows, the infrared one 2", "rgbt234", TRUTH, two)
    refused("expected visible and infrared", "rgbt234", TRUTH, {"a": {"rgb": TRUTH["a"]}})
    two["a"]["infrared"] = TRUTH["a"]
    refused("lasher has a single ground truth", "lasher", TRUTH, two)
    holes = {"a": TRUTH["a"].copy()}
    holes["a"][1] = np.nan
    refused("a: row 2 of the ground truth", "lasher", TRUTH, holes)
    refused("no frame to score", "vtuav", TRUTH, {"a": TRUTH["a"] * np.nan})


@pytest.mark.parametrize("bad", [np.zeros((3, 5)), np.zeros((0, 4)), np.zeros(4), [["x"] * 4]])
def test_bad_shapes_are_refused(bad):
    refused("^a: the result ", "lasher", {"a": bad}, TRUTH)
    refused("^a: the ground truth ", "lasher", TRUTH, {"a": bad})


def test_a_message_names_the_sequence_with_odd_letters():
    name = "leftgirl'swhitebag"
    refused(re.escape(name), "lasher", {name: TRUTH["a"][:1]}, {name: TRUTH["a"]})
