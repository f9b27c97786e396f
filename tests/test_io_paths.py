"""No command overwrites an input or one of its own outputs, or replaces what is no file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from conftest import Run
from stub_network import disc_frame

from rgbt_track.io.files import atomic_path, growing_file, write_text
from rgbt_track.io.images import write_image
from rgbt_track.io.paths import check_distinct, check_paths
from rgbt_track.io.video.writer import VideoFile, finish_video


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two folders of three frames and a text file."""
    for name in ("color", "ir"):
        (tmp_path / name).mkdir()
        for index in range(3):
            write_image(tmp_path / name / f"{index}.png", disc_frame(100, 120, 20))
    (tmp_path / "note.txt").write_text("note")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_names_of_one_file_count_as_one(tree: Path) -> None:
    note = tree / "note.txt"
    os.link(note, tree / "hard.txt")
    (tree / "soft.txt").symlink_to(note)
    (tree / "folder").symlink_to(tree / "color")
    for path in (note, tree / "hard.txt", tree / "soft.txt", tree / "color" / ".." / "note.txt"):
        with pytest.raises(ValueError, match=r"--out .* is also the input --in: give another name"):
            check_paths(inputs={"--in": note}, files={"--out": path})
    with pytest.raises(ValueError, match=r"OUT .* is also the input --rgb"):
        check_paths(inputs={"--rgb": tree / "color"}, folders={"OUT": tree / "folder"})
    check_paths(inputs={"--in": note, "--camera": "0"}, files={"--out": tree / "other.txt"})


def test_outputs_differ_from_each_other_and_from_their_partial_names(tree: Path) -> None:
    out = tree / "new" / ".." / "boxes.txt"
    (tree / "new").mkdir()
    for first, second in (
        (out, tree / "boxes.txt"),
        (tree / "boxes.txt", tree / "boxes.txt.part"),
        (tree / "v.mp4", tree / "v.part.mp4"),
    ):
        with pytest.raises(ValueError, match="is also the output --out"):
            check_paths(inputs={}, files={"--out": first, "--scores": second})


def test_a_name_needs_no_suffix(tree: Path) -> None:
    check_paths(inputs={}, files={"--out": tree / "boxes", "--scores": tree / "scores"})
    with pytest.raises(ValueError, match=r"boxes\.part is also the output --out"):
        check_paths(inputs={}, files={"--out": tree / "boxes", "--scores": tree / "boxes.part"})


def test_images_among_the_frames_of_an_input_are_refused(tree: Path) -> None:
    with pytest.raises(ValueError, match="would be a frame of --rgb"):
        check_paths(inputs={"--rgb": tree / "color"}, files={"OUT": tree / "color" / "new.jpg"})
    check_paths(inputs={"--rgb": tree / "color"}, files={"--out": tree / "color" / "boxes.txt"})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes with names")
def test_devices_and_pipes_are_refused_and_links_written_through(tree: Path) -> None:
    pipe, link = tree / "pipe", tree / "link.txt"
    os.mkfifo(pipe)
    for path in (pipe, Path(os.devnull)):
        with pytest.raises(ValueError, match="is a device, pipe or socket"):
            check_paths(inputs={}, files={"--out": path})
        for writer in (atomic_path, growing_file):
            with pytest.raises(ValueError, match="is a device"), writer(path):
                raise AssertionError("nothing may be written")
        with pytest.raises(ValueError, match="is a device"):
            VideoFile(path, 25)
    assert pipe.is_fifo()
    link.symlink_to(tree / "note.txt")
    write_text(link, "new")
    with growing_file(link) as rows:
        rows.write("1\n")
    assert link.is_symlink() and (tree / "note.txt").read_text() == "1\n"


def test_names_are_compared_before_they_are_written() -> None:
    check_distinct("results", [("a", 1), ("b", 2)])
    with pytest.raises(ValueError, match=r"x/m.yaml and z/m.yaml both have the name 'm' for res"):
        check_distinct("results", [("m", "x/m.yaml"), ("n", "y"), ("m", "z/m.yaml")])


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["--picture", "color/0.png"], "would be a frame of --rgb"),
        (["--picture", "color/9.png"], "would be a frame of --rgb"),
        (["--video", "clip.mp4", "--rgb", "clip.mp4"], "is also the input --rgb"),
        (["--out", "a.txt", "--scores", "./a.txt"], "is also the output --out"),
        (["--out", "a.mp4", "--video", "a.mp4"], "is also the output --out"),
        (["--video", "b.png", "--picture", "b.png"], "is also the output --video"),
        (["--out", os.devnull], "is a device, pipe or socket"),
        (["--weights", "note.txt", "--out", "note.txt"], "is also the input --weights"),
    ],
)
def test_track_refuses_before_anything_is_read(
    run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch, outputs: list[str], message: str
) -> None:
    (tree / "clip.mp4").write_bytes(b"not even a video")
    monkeypatch.chdir(tree)
    before = contents(tree)
    rgb = [] if "--rgb" in outputs else ["--rgb", "color"]
    code, _, err = run(
        "track", *rgb, "--tir", "ir", "--tracker", "matching", "--box", "80,100,40,40", *outputs
    )
    assert code == 1 and message in err and err.count("\n") == 1
    assert contents(tree) == before


def test_fuse_refuses_its_inputs_and_names_that_collide(run: Run, tree: Path) -> None:
    before = contents(tree)
    for arguments, message in (
        (("--rgb", tree / "color" / "0.png", "--tir", tree / "ir" / "0.png", tree / "color"),
         "is also an input"),
        (("--rgb", tree / "color", "--tir", tree / "ir", "--csv", tree / "f" / "0.png", tree),
         "the folder does not exist"),
    ):  # fmt: skip
        code, _, err = run("fuse", *arguments)
        assert code == 1 and message in err and contents(tree) == before
    (tree / "both").mkdir()
    (tree / "thermal").mkdir()
    for name in ("a.jpg", "a.jpeg", "b.jpg"):
        write_image(tree / "both" / name, disc_frame(100, 120, 20))
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_image(tree / "thermal" / name, disc_frame(100, 120, 20))
    code, _, err = run("fuse", "--rgb", tree / "both", "--tir", tree / "thermal", tree / "out")
    assert code == 1 and "a.jpeg and" in err and "both have the name 'a'" in err
    assert not (tree / "out").exists()


def test_robustness_and_workspace_refuse_two_trackers_of_one_name(run: Run, tree: Path) -> None:
    scenes = tree / "scenes"
    assert run("data", "synthesize", scenes, "--count", 1, "--frames", 3)[0] == 0
    for folder in ("x", "z"):
        (tree / folder).mkdir()
        (tree / folder / "m.yaml").write_text("model: {head: matching}\n")
    trackers = ["--tracker", tree / "x" / "m.yaml", "--tracker", tree / "z" / "m.yaml"]
    for command in (
        ["robustness", "plain", "--root", scenes, "--results", tree / "r", "--no-plots"],
        ["vot", "workspace", "plain", "--root", scenes, tree / "w"],
    ):
        code, _, err = run(*command, *trackers)
        assert code == 1 and "both have the name" in err and err.count("\n") == 1
        assert not (tree / "r").exists() and not (tree / "w").exists()


def test_a_video_gets_its_name_only_when_its_frames_can_be_read(tmp_path: Path) -> None:
    frame = disc_frame(100, 120, 20)
    with VideoFile(tmp_path / "whole.mp4", 25) as video:
        for _ in range(5):
            video.add(frame)
    data = (tmp_path / "whole.mp4").read_bytes()
    part, out = tmp_path / "cut.part.mp4", tmp_path / "cut.mp4"
    for content, frames in ((data[: len(data) // 2], 5), (b"", 5), (data, 6)):
        part.write_bytes(content)
        with pytest.raises(OSError, match=r"of . frames could be read back, so no video is kept"):
            finish_video(part, out, frames)
        assert os.listdir(tmp_path) == ["whole.mp4"]
    part.write_bytes(data)
    finish_video(part, out, 5)
    assert out.read_bytes() == data and not part.exists()
