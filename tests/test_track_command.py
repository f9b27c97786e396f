"""``rgbt-track track`` as a user types it: what it writes, and one line for every fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run
from stub_network import disc_frame
from test_video import raw_video

from rgbt_track.boxes import iou_xywh
from rgbt_track.io.box_files import read_box_rows
from rgbt_track.io.images import read_rgb, write_image
from rgbt_track.io.sources import open_source
from rgbt_track.io.video.writer import VideoFile

BOX = "80,100,40,40"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a disc that moves 3 pixels a frame, in folders and as videos."""
    root = tmp_path_factory.mktemp("pair")
    with VideoFile(root / "color.mp4", 25) as color, VideoFile(root / "ir.mp4", 25) as ir:
        for name in ("color", "ir"):
            (root / name).mkdir()
        for index in range(12):
            frame = disc_frame(100 + 3 * index, 120, 20)
            write_image(root / "color" / f"{index:04d}.jpg", frame)
            write_image(root / "ir" / f"{index:04d}.png", frame[..., 0])
            color.add(frame)
            ir.add(frame)
    return root


def track(run: Run, pair: Path, out: Path, *more: object) -> tuple[int, str, str]:
    return run(
        "track", "--rgb", pair / "color", "--tir", pair / "ir", "--tracker", "matching",
        "--out", out, "--box", BOX, *more,
    )  # fmt: skip


def test_folders_to_boxes_scores_video_and_picture(run: Run, pair: Path, tmp_path: Path) -> None:
    out, scores = tmp_path / "boxes.txt", tmp_path / "scores.txt"
    video, picture = tmp_path / "run.mp4", tmp_path / "run.png"
    code, stdout, _ = track(
        run, pair, out, "--scores", scores, "--video", video, "--picture", picture
    )
    assert code == 0 and "12 boxes in" in stdout and "training-free" in stdout
    boxes = read_box_rows(out)
    assert boxes.shape == (12, 4)
    assert iou_xywh(boxes[-1], [113, 100, 40, 40]) > 0.6
    values = [float(line) for line in scores.read_text().split()]
    assert len(values) == 12 and all(0 <= value <= 1 for value in values)
    assert open_source(video).length == 12
    assert read_rgb(picture).shape[1] == 2 * 2 * 320
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "boxes.txt", "run.mp4", "run.png", "scores.txt",
    ]  # fmt: skip


def test_several_targets_have_a_file_and_a_color_each(run: Run, pair: Path, tmp_path: Path) -> None:
    out, scores, picture = (tmp_path / name for name in ("b.txt", "s.txt", "p.png"))
    code, stdout, _ = track(
        run, pair, out, "--box", "200,30,30,30", "--scores", scores, "--picture", picture
    )
    assert code == 0 and f"12 boxes in {tmp_path / 'b_1.txt'}, {tmp_path / 'b_2.txt'}" in stdout
    names = ["b_1.txt", "b_2.txt", "p.png", "s_1.txt", "s_2.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    track(run, pair, out)
    alone = read_box_rows(out)
    np.testing.assert_allclose(read_box_rows(tmp_path / "b_1.txt"), alone, atol=0.02)
    other = read_box_rows(tmp_path / "b_2.txt")
    assert other.shape == (12, 4) and np.abs(other - alone).max() > 40
    assert len((tmp_path / "s_2.txt").read_text().split()) == 12
    drawn = read_rgb(picture).reshape(-1, 3).astype(int)
    for color in ((64, 255, 96), (255, 96, 64)):
        assert (np.abs(drawn - color).max(1) < 30).any()


def test_videos_and_a_single_modality(run: Run, pair: Path, tmp_path: Path) -> None:
    for index, sources in enumerate(
        (["--rgb", pair / "color.mp4", "--tir", pair / "ir.mp4"], ["--tir", pair / "ir.mp4"])
    ):
        out = tmp_path / f"{index}.txt"
        code, _, _ = run("track", *sources, "--tracker", "matching", "--out", out, "--box", BOX)
        assert code == 0
        assert iou_xywh(read_box_rows(out)[-1], [113, 100, 40, 40]) > 0.6


def test_without_names_all_goes_to_a_new_folder_each_time(
    run: Run, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--rgb", pair / "color", "--tir", pair / "ir", "--tracker", "matching", "--box", BOX]
    for number in (1, 2):
        code, out, _ = run("track", *options)
        folder = tmp_path / "output" / f"track{number}"
        assert code == 0 and f"in output/track{number}" in out
        names = ["boxes.txt", "picture.png", "scores.txt", "video.mp4"]
        assert sorted(path.name for path in folder.iterdir()) == names
        assert len(read_box_rows(folder / "boxes.txt")) == 12


def test_two_rates_and_sixteen_bits_give_the_boxes_of_folders(
    run: Run, pair: Path, tmp_path: Path
) -> None:
    """A disc at 25 and at 9 frames/s, thermal in 16 bits, beside folders of the same pairs."""
    rgb, tir = tmp_path / "rgb.mp4", tmp_path / "tir.mkv"
    for name in ("color", "ir"):
        (tmp_path / name).mkdir()

    def thermal(number: int) -> np.ndarray:
        image = disc_frame(round(100 + 60 * number / 9), 120, 20)[..., 0]
        return image.astype(np.uint16) * 100 + 7000

    raw_video(tir, [thermal(number) for number in range(9)], fps=9)
    with VideoFile(rgb, 25) as video:
        for number in range(25):
            video.add(disc_frame(round(100 + 60 * number / 25), 120, 20))
    for number, frame in enumerate(open_source(rgb)):
        write_image(tmp_path / "color" / f"{number:02d}.png", frame)
        nearest = min(round(number / 25 * 9), 8)
        cv2.imwrite(str(tmp_path / "ir" / f"{number:02d}.png"), thermal(nearest))
    boxes = []
    for sources in ((rgb, tir), (tmp_path / "color", tmp_path / "ir")):
        out = tmp_path / f"{sources[0].stem}.txt"
        code, _, err = run(
            "track", "--rgb", sources[0], "--tir", sources[1], "--tracker", "matching",
            "--box", BOX, "--out", out,
        )  # fmt: skip
        assert code == 0, err
        boxes.append(read_box_rows(out))
    np.testing.assert_array_equal(*boxes)
    assert iou_xywh(boxes[0][-1], [138, 100, 40, 40]) > 0.6


def test_an_unreadable_frame_keeps_what_was_tracked(run: Run, pair: Path, tmp_path: Path) -> None:
    ir = tmp_path / "ir"
    ir.mkdir()
    for path in sorted((pair / "ir").iterdir()):
        (ir / path.name).write_bytes(path.read_bytes())
    (ir / "0007.png").write_bytes(b"broken")
    out = tmp_path / "boxes.txt"
    code, _, stderr = run(
        "track", "--rgb", pair / "color", "--tir", ir, "--tracker", "matching", "--out", out,
        "--box", BOX,
    )  # fmt: skip
    assert code == 1 and "0007.png: not a readable image (6 bytes)" in stderr
    assert not out.exists() and len((tmp_path / "boxes.txt.part").read_text().splitlines()) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rgb", "nowhere"], "no such folder or video: nowhere"),
        ([], "no input: give --rgb SRC, --tir SRC, or both"),
        (["--rgb", "{color}", "--box", "1,2,3"], "--box is '1,2,3'; expected x,y,w,h"),
        (["--rgb", "{color}", "--box", "900,2,30,40"], "outside the 320x240 frame"),
        (["--rgb", "{color}", "--box", "1,2,0,40"], "is empty"),
        (["--rgb", "{color}", "--box", "1,nan,5,40"], "not finite"),
        (["--rgb", "{color}", "--tracker", "matchin"], "did you mean 'matching'?"),
        (["--rgb", "{color}", "--device", "gpu"], "unknown device 'gpu'"),
        (["--rgb", "{color}", "--device", "meta"], "'meta' does not work on this computer"),
        (["--rgb", "{color}", "--out", "nowhere/boxes.txt"], "the folder does not exist"),
        (["--rgb", "{color}", "--out", "{color}"], "is a folder; give the name of a file"),
        (["--rgb", "{color}", "--picture", "sheet.xyz"], "sheet.xyz: not an image's name"),
        (["--rgb", "{color}", "--weights", "nowhere.pth"], "no such weights file: nowhere.pth"),
    ],
)
def test_each_fault_prints_one_line(
    run: Run, pair: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    arguments = [text.format(color=pair / "color") for text in arguments]
    defaults = ["--tracker", "matching", "--box", BOX, "--out", str(tmp_path / "boxes.txt")]
    chosen = [
        text
        for name, value in zip(defaults[::2], defaults[1::2], strict=True)
        if name not in arguments
        for text in (name, value)
    ]
    code, stdout, stderr = run("track", *arguments, *chosen)
    assert code == 1 and not stdout
    assert stderr.startswith("error: ") and message in stderr and stderr.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing may be left behind"


def test_codecs_add_nothing_to_the_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    command = [sys.executable, "-m", "rgbt_track", "track", "--rgb", "text.mp4", "--box", BOX]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: text.mp4: cannot be opened; not a video?\n"


def test_a_source_without_frames_is_a_fault(
    run: Run, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rgbt_track.io.sources import FolderSource

    monkeypatch.setattr(FolderSource, "__iter__", lambda self: iter(()))
    code, _, stderr = track(run, pair, tmp_path / "boxes.txt", "--picture", tmp_path / "p.png")
    assert code == 1 and stderr == "error: the input has no frames: nothing was tracked\n"
    assert not list(tmp_path.iterdir())


def test_without_a_box_and_a_display_it_says_so(
    run: Run, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, _, stderr = run(
        "track", "--rgb", pair / "color", "--tracker", "matching", "--out", tmp_path / "b.txt"
    )
    assert code == 1 and "give the target as --box x,y,w,h" in stderr


def test_ctrl_c_keeps_the_boxes(
    run: Run, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rgbt_track.io.sources import FolderSource

    original = FolderSource.__iter__

    def interrupted(self: FolderSource):
        for index, frame in enumerate(original(self)):
            if index == 5:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(FolderSource, "__iter__", interrupted)
    out = tmp_path / "boxes.txt"
    code, _, stderr = track(run, pair, out)
    assert code == 130 and stderr == "interrupted; the frames so far are kept\n"
    assert read_box_rows(out).shape == (5, 4)


def test_boxes_are_the_trackers_own(run: Run, pair: Path, tmp_path: Path) -> None:
    from rgbt_track import load_tracker

    out = tmp_path / "boxes.txt"
    track(run, pair, out)
    tracker = load_tracker("matching")
    frames = list(
        zip(open_source(pair / "color"), open_source(pair / "ir", thermal=True), strict=True)
    )
    state = tracker.init(*frames[0], [80, 100, 40, 40])
    expected = [state.box]
    for rgb, tir in frames[1:]:
        state = tracker.update(rgb, tir, state)
        expected.append(state.box)
    np.testing.assert_allclose(read_box_rows(out), expected, atol=0.006)
