"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rgbt_track.io.files import atomic_path, growing_file, write_text


def test_a_file_takes_its_name_at_the_end_of_the_block(tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    out.write_text("old")
    with atomic_path(out) as part:
        assert part.parent == tmp_path and part.suffix == ".mp4" and part.name.startswith(".")
        part.write_text("new")
        assert out.read_text() == "old"
    assert out.read_text() == "new" and os.listdir(tmp_path) == ["clip.mp4"]


def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a.txt"
    out.write_text("old")
    with pytest.raises(ValueError, match="midway"), atomic_path(out) as part:
        part.write_text("half")
        raise ValueError("midway")
    assert out.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_folders_too(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "whole") as part:
        (part / "inner").mkdir(parents=True)
        (part / "inner" / "file").write_text("x")
    assert (tmp_path / "whole" / "inner" / "file").read_text() == "x"
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "cut") as part:
        (part / "inner").mkdir(parents=True)
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["whole"]


def test_a_missing_folder_is_named_and_a_missing_source_is_not_mistaken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder for a\.txt: .*none$"):
        write_text(tmp_path / "none" / "a.txt", "x")
    with pytest.raises(FileNotFoundError, match=r"source\.png"), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "source.png").read_bytes()


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n"


def test_a_growing_file_keeps_its_rows_after_an_error(tmp_path: Path) -> None:
    out = tmp_path / "rows.txt"
    with pytest.raises(ValueError, match="midway"), growing_file(out) as rows:
        rows.write("1\n")
        raise ValueError("midway")
    assert (tmp_path / "rows.txt.part").read_text() == "1\n" and not out.exists()
    with pytest.raises(ValueError, match="at once"), growing_file(out):
        raise ValueError("at once")
    assert os.listdir(tmp_path) == []
    with growing_file(out) as rows:
        rows.write("1\n2\n")
    assert out.read_text() == "1\n2\n" and os.listdir(tmp_path) == ["rows.txt"]


def test_a_full_disk_is_reported_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No space.*a\.png"), atomic_path(tmp_path / "a.png") as part:
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []
