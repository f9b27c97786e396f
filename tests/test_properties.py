"""What holds for every input of a kind, drawn by Hypothesis; the same draws in every run."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rgbt_track.boxes import iou_xywh, polygon_to_xywh, xywh_to_cxcywh, xywh_to_xyxy, xyxy_to_xywh
from rgbt_track.config.image_fusion import ImageExperiment
from rgbt_track.config.parsing import from_mapping, to_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.config.yaml_files import parse_yaml
from rgbt_track.crops import CropRegion
from rgbt_track.data.description import DatasetDescription
from rgbt_track.evaluation.result_files import companion_path, read_boxes, read_scores, result_paths
from rgbt_track.io.box_files import read_box_rows, write_boxes
from rgbt_track.io.frames import as_rgb_uint8, check_box, prepare_frames, stretch_to_uint8


def cases(count: int) -> Any:
    """So many examples, always the same ones, without a limit of time on a busy machine."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


numbers = st.floats(-1e4, 1e4).map(lambda value: round(value, 3))
lengths = st.floats(0.01, 1e4).map(lambda value: round(value, 3))
boxes = st.tuples(numbers, numbers, lengths, lengths).map(np.array)


# Boxes.


@cases(250)
@given(boxes, boxes)
def test_overlap_is_a_share_and_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    overlap = iou_xywh(a, b)
    assert 0 <= overlap <= 1 + 1e-9
    assert overlap == iou_xywh(b, a)
    assert math.isclose(iou_xywh(a, a), 1, rel_tol=1e-6)
    shifted = a + np.array([a[2] + 1, 0, 0, 0])
    assert iou_xywh(a, shifted) == 0


@cases(250)
@given(boxes)
def test_forms_of_a_box_lead_back_to_it(box: np.ndarray) -> None:
    np.testing.assert_allclose(xyxy_to_xywh(xywh_to_xyxy(box)), box, atol=1e-6)
    x, y, w, h = box
    corners = np.array([[x, y, x + w, y, x + w, y + h, x, y + h]])
    np.testing.assert_allclose(polygon_to_xywh(corners)[0], box, atol=1e-6)
    np.testing.assert_allclose(xywh_to_cxcywh(box)[:2], [x + w / 2, y + h / 2], atol=1e-6)


@cases(200)
@given(boxes, numbers, numbers, st.floats(0.6, 1e5), st.integers(1, 500))
def test_a_crop_maps_boxes_there_and_back(
    box: np.ndarray, x: float, y: float, side: float, size: int
) -> None:
    region = CropRegion.around(x, y, side, size)
    back = region.crop_to_image(region.image_to_crop(box))
    np.testing.assert_allclose(back, box, atol=1e-4 * max(1.0, side / size))
    assert abs(region.left + region.side / 2 - x) <= 0.5 + 1e-9


@cases(100)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(-60, 60), st.integers(-60, 60), st.integers(1, 90), st.integers(1, 40),
)  # fmt: skip
def test_any_crop_of_any_image_has_its_size(
    shape: tuple[int, int], left: int, top: int, side: int, size: int
) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    cut = CropRegion(left, top, side, size).cut(image, (10, 10, 10))
    assert cut.shape == (size, size, 3) and cut.dtype == np.uint8
    assert cut.min() >= 10 and cut.max() <= 200


@cases(200)
@given(st.one_of(boxes, st.lists(st.floats(), max_size=6), st.text(max_size=5), st.none()))
def test_a_first_box_is_usable_or_refused(box: Any) -> None:
    try:
        values = check_box(box, 640, 480)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    x, y, w, h = values
    assert w > 0 and h > 0 and x < 640 and y < 480 and x + w > 0 and y + h > 0


# Box files.


@cases(100)
@given(st.lists(boxes, min_size=1, max_size=6), st.integers(0, 4))
def test_boxes_come_back_from_a_file(rows: list[np.ndarray], decimals: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "boxes.txt"
        write_boxes(path, np.array(rows), decimals)
        np.testing.assert_allclose(read_box_rows(path), rows, atol=0.51 * 10.0**-decimals)


fields = st.one_of(
    st.floats().map(str), st.integers().map(str), st.text(max_size=4),
    st.sampled_from(["", " ", "nan", "-inf", "1e400", "0x10", "1_0", "١٢", "\0", "\ufeff"]),
)  # fmt: skip
lines = st.lists(fields, max_size=9).flatmap(
    lambda row: st.sampled_from([",", "\t", " ", ";", ", "]).map(lambda mark: mark.join(row))
)


@cases(300)
@given(st.one_of(st.lists(lines, max_size=5).map("\n".join).map(str.encode), st.binary()))
def test_any_file_is_boxes_or_refused_by_its_name(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "boxes.txt"
        path.write_bytes(content)
        try:
            rows = read_boxes(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            return
    assert rows.ndim == 2 and rows.shape[1] in (4, 8) and len(rows) and not np.isinf(rows).any()


# YAML and settings.

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("abcdef_", min_size=1, max_size=4), inner, max_size=3),
    ),
    max_leaves=8,
)


@cases(150)
@given(trees)
def test_what_is_written_as_yaml_is_read_the_same(tree: Any) -> None:
    assert parse_yaml(yaml.safe_dump(tree)) == tree


@cases(300)
@given(st.one_of(st.text(max_size=60), st.text("a: -[]{},&*!<\n#|>'\"?%@1~", max_size=60)))
def test_any_text_is_yaml_or_refused_in_one_line(text: str) -> None:
    try:
        parse_yaml(text)
    except ValueError as error:
        assert "\n" not in str(error)


@cases(100)
@given(
    st.text("abc", min_size=1, max_size=2), st.integers(0, 9), st.lists(st.integers(), max_size=3)
)
def test_a_key_twice_is_refused_with_both_lines(key: str, value: int, others: list[int]) -> None:
    between = "".join(f"k{index}: {item}\n" for index, item in enumerate(others))
    try:
        parse_yaml(f"{key}: 1\n{between}{key}: 3\n")
    except ValueError as error:
        assert f"line 1 and in line {len(others) + 2}" in str(error)
    else:
        raise AssertionError("accepted")


def key_paths(values: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every section and setting of a mapping."""
    paths = []
    for key, value in values.items():
        paths.append((*prefix, key))
        if isinstance(value, dict):
            paths += key_paths(value, (*prefix, key))
    return paths


DEFAULTS = {
    Config: to_mapping(Config("x")),
    ImageExperiment: to_mapping(
        from_mapping(ImageExperiment, {"name": "x", "network": {"name": "lrrnet"}}, "x")
    ),
    DatasetDescription: to_mapping(DatasetDescription("x", rgb="color")),
}
odd_values = st.one_of(
    trees,
    st.integers(-3, 3),
    st.sampled_from([10**9, 10**40, -(10**9), math.nan, math.inf, "", []]),
)


@cases(400)
@given(st.data())
def test_any_value_of_any_setting_is_taken_or_refused_in_one_line(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(DEFAULTS)))
    values = parse_yaml(yaml.safe_dump(DEFAULTS[kind]))
    path = data.draw(st.sampled_from(key_paths(values)))
    section = values
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = data.draw(odd_values)
    try:
        config = from_mapping(kind, values, "file.yaml")
    except ValueError as error:
        assert str(error).startswith("file.yaml: ") and "\n" not in str(error).rstrip()
        return
    assert from_mapping(kind, to_mapping(config), "again") == config


# Frames.

frame_types = st.sampled_from(["u1", "u2", ">u2", "i2", "f4", "f8", "?", "c8", "i8"])
shapes = st.one_of(
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 5)),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
)


@st.composite
def strided(draw: st.DrawFn) -> np.ndarray:
    """An array of any type and shape; every second row, or mirrored, or transposed."""
    kind, shape = np.dtype(draw(frame_types)), draw(shapes)
    array = draw(arrays.arrays(kind, shape, fill=st.just(kind.type(1))))
    step = draw(st.sampled_from([1, 2, -1]))
    array = array[::step] if array.ndim else array
    return array.swapaxes(0, 1) if array.ndim > 1 and draw(st.booleans()) else array


@cases(300)
@given(strided())
def test_any_array_is_a_frame_or_refused(array: np.ndarray) -> None:
    try:
        frame = as_rgb_uint8(array, "thermal")
    except ValueError as error:
        assert str(error).startswith("thermal frame has shape")
        return
    assert array.dtype in (np.uint8, np.uint16) and array.dtype.isnative
    assert frame.shape == (*array.shape[:2], 3) and frame.dtype == np.uint8
    assert frame.flags["C_CONTIGUOUS"]


@cases(100)
@given(arrays.arrays(np.uint16, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_stretching_keeps_the_order_of_values(image: np.ndarray) -> None:
    stretched = stretch_to_uint8(image).astype(int).ravel()
    order = np.argsort(image.ravel(), kind="stable")
    assert (np.diff(stretched[order]) >= 0).all()


@cases(100)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_two_frames_get_one_size_or_are_refused(a: tuple[int, int], b: tuple[int, int]) -> None:
    try:
        frames = prepare_frames(np.zeros((*a, 3), np.uint8), np.zeros(b, np.uint8))
    except ValueError as error:
        assert abs(b[1] * a[0] / (b[0] * a[1]) - 1) > 0.02 and "rgbt-track register" in str(error)
        return
    assert frames["rgb"].shape == frames["tir"].shape == (*a, 3)


# Folders of results.

words = st.text("aB1", min_size=1, max_size=3)
names = st.lists(words, min_size=1, max_size=3).map("_".join) | st.sampled_from(
    ["car", "car_time", "car_score", "car_times", "red_car", "T_car", "car_001"]
)


@cases(150)
@given(st.sets(names, min_size=1, max_size=6))
def test_every_sequence_gets_its_own_boxes_back(sequences: set[str]) -> None:
    """Written with times and scores, whatever the names are, as long as their cases differ."""
    assume(len({name.casefold() for name in sequences}) == len(sequences))
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.txt" for name in sorted(sequences)}
        for number, path in enumerate(paths.values(), start=1):
            for kind in ("time", "score"):
                try:
                    companion = companion_path(path, kind, set(paths.values()))
                except ValueError:
                    continue  # every name for it is a sequence's
                companion.write_text(f"{number}\n")
            write_boxes(path, np.full((1, 4), number))
        found = result_paths(Path(folder), sequences)
        assert found == paths
        scores = read_scores(found)
        for number, name in enumerate(paths, start=1):
            assert (read_boxes(found[name]) == number).all()
            assert name not in scores or (scores[name] == number).all()


@cases(150)
@given(
    st.sets(names, min_size=1, max_size=5), st.sets(names, max_size=6), st.sampled_from(["", "T_"])
)
def test_a_file_of_results_belongs_to_one_sequence(
    sequences: set[str], files: set[str], prefix: str
) -> None:
    assume(len({name.casefold() for name in sequences}) == len(sequences))
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            (Path(folder) / f"{prefix}{name}.txt").write_text("1,2,3,4\n")
        try:
            found = result_paths(Path(folder), sequences)
        except ValueError as error:
            assert "both look like the result of" in str(error)
            return
    assert set(found) <= sequences
    assert len(set(found.values())) == len(found)
    for name, path in found.items():
        assert path.stem.casefold().endswith(name.casefold())
