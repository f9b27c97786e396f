from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbt_track.io.drawing import ContactSheet, draw_pair
from rgbt_track.io.images import read_rgb, read_tir, write_image
from rgbt_track.io.pairing import PairedFrames
from rgbt_track.io.sources import open_source
from rgbt_track.io.video.writer import VideoFile


def write_frames(folder: Path, count: int, name: str = "{}.png") -> Path:
    folder.mkdir()
    for index in range(count):
        write_image(folder / name.format(index), np.full((24, 32, 3), index * 10, np.uint8))
    return folder


def test_folder_in_natural_order(tmp_path: Path) -> None:
    source = open_source(write_frames(tmp_path / "color", 12, "frame{}.png"))
    assert source.length == 12
    assert [int(frame[0, 0, 0]) for frame in source] == [10 * i for i in range(12)]


def test_video_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with VideoFile(path, fps=20) as film:
        for index in range(6):
            film.add(np.full((48, 64, 3), (40 * index, 0, 0), np.uint8))
    assert list(tmp_path.iterdir()) == [path], "the temporary file must be gone"
    source = open_source(path)
    frames = list(source)
    assert len(frames) == 6 and source.fps == pytest.approx(20)
    assert abs(int(frames[5][24, 32, 0]) - 200) < 25 and frames[5][24, 32, 2] < 25, "order is RGB"


def test_a_video_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"an earlier video")
    with pytest.raises(KeyError), VideoFile(path, fps=20) as film:
        film.add(np.zeros((48, 64, 3), np.uint8))
        raise KeyError
    assert path.read_bytes() == b"an earlier video"
    assert len(list(open_source(tmp_path / "clip.part.mp4"))) == 1


def test_a_video_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(ValueError, match=r"clip\.xyz: cannot write a video there; use a \.mp4")
    with refused, VideoFile(tmp_path / "clip.xyz", fps=20) as film:
        film.add(np.zeros((48, 64, 3), np.uint8))


def test_hidden_files_are_no_frames(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "color", 3)
    (folder / "._0.png").write_bytes(b"what macOS leaves on a foreign disk")
    assert open_source(folder).length == 3


def test_sixteen_bit_thermal_survives_reading(tmp_path: Path) -> None:
    image = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 60
    cv2.imwrite(str(tmp_path / "tir.png"), image)
    np.testing.assert_array_equal(read_tir(tmp_path / "tir.png"), image)


def test_read_is_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "red.png"), np.full((8, 8, 3), (0, 0, 255), np.uint8))
    assert read_rgb(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]
    assert read_tir(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]


def test_faults(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 half an image")
    (tmp_path / "zero.jpg").touch()
    with pytest.raises(FileNotFoundError, match="no such folder or video"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no frames"):
        open_source(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"text\.mp4: cannot be opened"):
        open_source(tmp_path / "text.mp4")
    for name in ("broken.jpg", "zero.jpg"):
        with pytest.raises(ValueError, match=rf"{name}: not a readable image"):
            read_rgb(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such image"):
        read_tir(tmp_path / "nowhere.png")


def test_unequal_folders_are_refused_before_the_first_frame(tmp_path: Path) -> None:
    color, ir = write_frames(tmp_path / "color", 5), write_frames(tmp_path / "ir", 4)
    with pytest.raises(ValueError, match=r"color goes on after the 4 frames of .*ir"):
        PairedFrames(open_source(color), open_source(ir, thermal=True))


def test_a_video_that_ends_early_is_found_out(tmp_path: Path) -> None:
    color = write_frames(tmp_path / "color", 5)
    with VideoFile(tmp_path / "ir.mp4", 25) as film:
        for _ in range(3):
            film.add(np.zeros((24, 32, 3), np.uint8))
    pairs = iter(PairedFrames(open_source(color), open_source(tmp_path / "ir.mp4", thermal=True)))
    for _ in range(3):
        next(pairs)
    with pytest.raises(ValueError, match="goes on after the 3 frames"):
        next(pairs)


def test_one_modality_alone(tmp_path: Path) -> None:
    pairs = list(PairedFrames(None, open_source(write_frames(tmp_path / "ir", 3), thermal=True)))
    assert len(pairs) == 3 and all(rgb is None and tir is not None for rgb, tir in pairs)
    with pytest.raises(ValueError, match="no input"):
        PairedFrames(None, None)


def test_draw_pair_shows_both_and_blackens_a_missing_one() -> None:
    frame = np.full((60, 80, 3), 128, np.uint8)
    drawn = draw_pair(frame, None, [20, 20, 30, 25])
    assert drawn.shape == (60, 160, 3)
    assert drawn[55, 75].tolist() == [128, 128, 128] and drawn[55, 155].tolist() == [0, 0, 0]
    assert (frame == 128).all()


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100])
def test_sheet_is_evenly_spread(tmp_path: Path, count: int) -> None:
    sheet = ContactSheet()
    for index in range(count):
        if sheet.wants_next():
            sheet.add(np.full((10, 20, 3), index, np.uint8))
    sheet.write(tmp_path / "sheet.png")
    picture = read_rgb(tmp_path / "sheet.png")
    shown = [
        int(picture[row, column, 0]) for row in range(0, picture.shape[0], 10) for column in (0, 20)
    ]
    shown = shown[:1] + [value for value in shown[1:] if value]
    assert shown[0] == 0 and len(shown) <= 8
    assert len(set(np.diff(shown))) <= 1
