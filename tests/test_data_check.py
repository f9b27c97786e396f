"""``data check``: whole copies pass; every fault is found, named by file and row, and exits 1."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from data_trees import BOXES, TREES, gtot, image, plain, rgbt234, table, vtuav

from rgbt_track.cli import main
from rgbt_track.data.check import check_dataset, inspect_dataset


def errors(name, root, **options):
    return [str(each) for each in check_dataset(name, root, **options) if each.kind == "error"]


def notes(name, root, **options):
    return [str(each) for each in check_dataset(name, root, **options) if each.kind == "note"]


@pytest.mark.parametrize("name", TREES)
def test_whole_copies_have_no_errors_but_their_counts(tmp_path, name):
    TREES[name](tmp_path)
    assert all("a whole copy has" in line for line in errors(name, tmp_path))


def test_a_whole_plain_set_is_clean_and_everything_was_decoded(tmp_path):
    plain(tmp_path, "a")
    plain(tmp_path, "b")
    report = inspect_dataset("plain", tmp_path)
    assert report.issues == []
    assert (report.sequences, report.frames, report.images) == (2, 6, 12)
    quick = inspect_dataset("plain", tmp_path, quick=True)
    assert (quick.frames, quick.images, quick.issues) == (6, 8, [])


def test_counts_against_what_a_whole_copy_has(tmp_path):
    gtot(tmp_path)
    assert errors("gtot", tmp_path) == [
        "gtot: 2 readable sequences; a whole copy has 50",
        "gtot: 6 readable frames; a whole copy has 7850",
    ]


def test_corrupt_images_are_all_named(tmp_path):
    folder = plain(tmp_path)
    (folder / "color" / "00000000.jpg").write_bytes(b"")
    jpeg = (folder / "color" / "00000001.jpg").read_bytes()
    (folder / "color" / "00000001.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    png = (folder / "ir" / "00000001.png").read_bytes()
    (folder / "ir" / "00000001.png").write_bytes(png[:-40])
    (folder / "ir" / "00000002.png").write_text("not an image")
    lines = errors("plain", tmp_path)
    assert len(lines) == 4
    for line, file, words in zip(
        lines,
        ("color/00000000.jpg", "color/00000001.jpg", "ir/00000001.png", "ir/00000002.png"),
        ("empty file", "cut short", "cut short", "not a readable image"),
        strict=True,
    ):
        assert line.startswith(str(folder / file)) and words in line


def test_every_broken_sequence_is_reported_not_only_the_first(tmp_path):
    for name in ("a", "b", "c"):
        plain(tmp_path, name)
    (tmp_path / "a" / "groundtruth.txt").unlink()
    (tmp_path / "b" / "ir" / "00000002.png").unlink()
    lines = errors("plain", tmp_path)
    assert len(lines) == 2
    assert lines[0].startswith(f"{tmp_path / 'a'}: no ground truth")
    assert lines[1].startswith(f"{tmp_path / 'b'}: 3 images in color but 2 in ir")


def test_a_gap_in_the_numbering_is_a_note(tmp_path):
    folder = plain(tmp_path, count=8)
    for kind, suffix, lost in (("color", "jpg", 5), ("ir", "png", 2)):
        (folder / kind / f"{lost:08d}.{suffix}").unlink()
    table(folder / "groundtruth.txt", np.resize(BOXES, (7, 4)))
    lines = notes("plain", tmp_path)
    assert [line.split(": ")[0] for line in lines] == [
        str(folder / "color" / "00000006.jpg"),
        str(folder / "ir" / "00000003.png"),
    ]


def test_sizes(tmp_path):
    folder = plain(tmp_path)
    for path in (folder / "ir").iterdir():
        cv2.imwrite(str(path), np.full((12, 16), 7, np.uint8))
    lines = notes("plain", tmp_path)
    assert "walk: visible images of 32x24, thermal of 16x12" in lines
    assert any("3 empty images" in line for line in lines)
    cv2.imwrite(str(folder / "color" / "00000001.jpg"), np.zeros((10, 10, 3), np.uint8))
    assert any(
        "color/00000001.jpg: 10x10 where 00000000.jpg has 32x24" in line
        for line in errors("plain", tmp_path)
    )


def test_odd_boxes_by_file_and_row(tmp_path):
    path = plain(tmp_path, count=6) / "groundtruth.txt"
    rows = [
        [2, 3, 4, 4],
        [2, 3, 0, 8],
        [40, 3, 40, 8],
        [-5, 3, 10, 8],
        [2, 3, 2, 2],
        [24, 18, 2, 2],
    ]
    table(path, rows)
    assert errors("plain", tmp_path) == [f"{path}: row 3: box wholly outside the image"]
    assert notes("plain", tmp_path) == [
        f"{path}: row 2: box marked absent",
        f"{path}: row 4: box reaching outside the image",
        f"{path}: row 6: box far from the one before",
    ]
    (tmp_path / "own.yaml").write_text(
        "rgb: color\ntir: ir\nboxes: [groundtruth.txt]\nabsent: never\n"
    )
    assert f"{path}: row 2: box without a positive size" in errors(tmp_path / "own.yaml", tmp_path)


def test_rows_of_sparse_labels_are_counted_in_the_file(tmp_path):
    vtuav(tmp_path)
    path = tmp_path / "train_ST_001" / "bus_001" / "rgb.txt"
    table(path, [BOXES[0], BOXES[1], [90, 90, 5, 5]], " ")
    assert errors("vtuav", tmp_path) == [f"{path}: row 3: box wholly outside the image"]


def test_known_faults_of_a_release_are_notes(tmp_path):
    rgbt234(tmp_path)
    place = tmp_path / "afterrain" / "visible.txt"
    assert any(
        line.startswith(f"{place}: row 1: known fault") for line in notes("rgbt234", tmp_path)
    )


def test_a_set_without_boxes_is_an_error_unless_labels_are_optional(tmp_path):
    path = plain(tmp_path) / "groundtruth.txt"
    table(path, np.zeros((3, 4), int))
    assert errors("plain", tmp_path) == ["plain: 1 of 1 sequences without a box, walk the first"]
    image(tmp_path / "stills" / "color" / "a.jpg", 1)
    image(tmp_path / "stills" / "ir" / "a.jpg", 2)
    assert errors("pairs", tmp_path / "stills") == []
    assert "1 of 1 sequences without a box" in notes("pairs", tmp_path / "stills")[0]


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["rgbt-track", "data", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return left.value.code or 0, out, err


def test_command_exits_by_what_it_found(tmp_path, monkeypatch, capsys):
    folder = plain(tmp_path)
    code, out, _ = run(monkeypatch, capsys, "check", "plain", "--root", tmp_path)
    assert code == 0 and "plain" in out
    (folder / "ir" / "00000001.png").write_bytes(b"")
    code, out, _ = run(monkeypatch, capsys, "check", "plain", "--root", tmp_path)
    assert code == 1 and "error: " in out and "00000001.png: empty file" in out
    code, _, _ = run(monkeypatch, capsys, "check", "plain", "--root", tmp_path, "--quick")
    assert code == 0
    code, _, err = run(monkeypatch, capsys, "check", "plain", "--root", tmp_path / "nowhere")
    assert code == 1 and err.startswith("error: no such folder") and err.count("\n") == 1


def test_command_prints_some_of_many_lines_unless_asked_for_all(tmp_path, monkeypatch, capsys):
    for index in range(50):
        (plain(tmp_path, f"s{index}", 1) / "groundtruth.txt").unlink()
    _, out, _ = run(monkeypatch, capsys, "check", "plain", "--root", tmp_path)
    assert out.count("no ground truth") == 40 and "and 10 more" in out
    _, out, _ = run(monkeypatch, capsys, "check", "plain", "--root", tmp_path, "--all")
    assert out.count("no ground truth") == 50


def test_synthesize_command(tmp_path, monkeypatch, capsys):
    arguments = ("synthesize", tmp_path / "s", "--count", 1, "--frames", 3, "--size", "96x64")
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0 and "1 sequences of 3 frames" in out
    assert check_dataset("plain", tmp_path / "s") == []
    code, _, err = run(monkeypatch, capsys, "synthesize", tmp_path / "s", "--size", "big")
    assert code == 1 and "--size 'big' is not a size" in err
