"""Video files: depths, times, pairing by time, and outputs that play and are whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from rgbt_track.io.images import write_image
from rgbt_track.io.pairing import PairedFrames
from rgbt_track.io.sources import open_source
from rgbt_track.io.video.reader import VideoReader
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.io.videos import VideoFrame, read_video_frame

WIDTH, HEIGHT = 64, 48


def raw_video(path: Path, frames: list[np.ndarray], fps: int = 9, pixels: str = "gray16le") -> Path:
    """A lossless video of (H, W) uint16 images, stored in the depth that ``pixels`` names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape, pixels
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="gray16le").reformat(format=pixels)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def clip(path: Path, count: int, fps: float, level: float = 2.0) -> Path:
    """Frames whose gray level is ``level`` times their number."""
    with VideoFile(path, fps) as video:
        for index in range(count):
            video.add(np.full((HEIGHT, WIDTH, 3), round(level * index), np.uint8))
    return path


def test_sixteen_bits_arrive_bit_by_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 65536, (HEIGHT, WIDTH), np.uint16) for _ in range(3)]
    path = raw_video(tmp_path / "t.mkv", images)
    for read, expected in zip(open_source(path, thermal=True), images, strict=True):
        np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(read_video_frame(VideoFrame(path, 1), thermal=True), images[1])
    assert read_video_frame(VideoFrame(path, 1)).shape == (HEIGHT, WIDTH, 3)
    assert next(iter(open_source(path))).dtype == np.uint8


@pytest.mark.parametrize(("pixels", "levels"), [("gray10le", 1024), ("gray12le", 4096)])
def test_ten_and_twelve_bits_keep_their_levels(tmp_path: Path, pixels: str, levels: int) -> None:
    image = np.linspace(0, 65535, levels).astype(np.uint16).reshape(-1, 64)
    path = raw_video(tmp_path / "t.mkv", [image], pixels=pixels)
    (read,) = open_source(path, thermal=True)
    assert read.dtype == np.uint16 and len(np.unique(read)) > 0.95 * levels
    assert np.abs(read.astype(int) - image).max() <= 65536 / levels


def test_outputs_are_what_a_browser_plays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoFile(path, 12.5) as video:
        for index in range(5):
            video.add(np.full((HEIGHT + 1, WIDTH + 1, 3), 40 * index, np.uint8))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes first"
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (codec.width, codec.height) == (WIDTH + 2, HEIGHT + 2)
    reader = VideoReader(path)
    assert reader.fps == pytest.approx(12.5) and reader.length == 5
    assert [frame.seconds for frame in reader] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    assert list(tmp_path.iterdir()) == [path]


def test_frames_keep_the_times_that_they_came_at(tmp_path: Path) -> None:
    times = [0, 0.1, 0.11, 0.5, 2.0]
    with VideoFile(tmp_path / "out.mp4", 25) as video:
        for seconds in times:
            video.add(np.zeros((HEIGHT, WIDTH, 3), np.uint8), seconds)
    read = [frame.seconds for frame in VideoReader(tmp_path / "out.mp4")]
    assert read == pytest.approx(times, abs=1e-3)


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    refused = pytest.raises(ValueError, match="a frame of 64x50 pixels in a video of 64x48")
    with refused, VideoFile(tmp_path / "out.mp4", 25) as video:
        video.add(np.zeros((48, 64, 3), np.uint8))
        video.add(np.zeros((50, 64, 3), np.uint8))
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    program = """
import resource, sys
import numpy as np
from rgbt_track.io.video.writer import VideoFile
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))  # as a disk with so much left
rng = np.random.default_rng(0)
try:
    with VideoFile(sys.argv[1], 25) as video:
        for _ in range(40):
            video.add(rng.integers(0, 256, (96, 128, 3), np.uint8))
except OSError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "out.mp4: " in done.stdout and done.stdout.count("\n") == 1, done.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_two_rates_are_paired_by_time(tmp_path: Path) -> None:
    rgb = clip(tmp_path / "rgb.mp4", 50, 25)  # 2 s
    tir = clip(tmp_path / "tir.mp4", 18, 9, level=10)
    pairs = PairedFrames(open_source(rgb), open_source(tir, thermal=True))
    assert pairs.length == 50 and pairs.fps == 25
    distances = []
    for number, (visible, thermal) in enumerate(pairs):
        assert visible is not None and thermal is not None
        assert pairs.seconds == pytest.approx(number / 25, abs=1e-3)
        assert abs(int(visible[0, 0, 0]) - 2 * number) < 4
        distances.append(round(int(thermal[0, 0, 0]) / 10) / 9 - number / 25)
    assert number == 49 and not pairs.warning
    assert np.abs(distances[:-3]).max() <= 0.5 / 9 + 1e-6, "the nearest one"
    assert np.abs(distances).max() <= 1 / 9


def test_a_thermal_video_that_began_later(tmp_path: Path) -> None:
    rgb, tir = clip(tmp_path / "rgb.mp4", 40, 20), clip(tmp_path / "tir.mp4", 15, 10, level=10)
    thermal = [
        None if frame is None else round(int(frame[0, 0, 0]) / 10)
        for _, frame in PairedFrames(open_source(rgb), open_source(tir), tir_delay=0.5)
    ]
    assert thermal[:8] == [None] * 8 and thermal[8:11] == [0, 0, 0]
    assert thermal[30] == 10 and thermal[-1] == 14 and len(thermal) == 40


def test_a_video_that_ends_early_ends_the_pairs_with_a_warning(tmp_path: Path) -> None:
    rgb, tir = clip(tmp_path / "rgb.mp4", 40, 20), clip(tmp_path / "tir.mp4", 20, 20)
    pairs = PairedFrames(open_source(rgb), open_source(tir))
    assert len(list(pairs)) == 21
    assert "tir.mp4 ends 1.05 s into" in pairs.warning
    pairs = PairedFrames(open_source(tir), open_source(rgb))
    assert len(list(pairs)) == 20 and "tir.mp4 ends before" in pairs.warning


def test_rates_that_do_not_fit_the_durations_are_refused_at_once(tmp_path: Path) -> None:
    rgb, tir = clip(tmp_path / "rgb.mp4", 30, 25), clip(tmp_path / "tir.mp4", 30, 9)
    with pytest.raises(ValueError, match=r"25 frames/s for 1.2 s.*9 for 3.3 s.*--pair-by number"):
        PairedFrames(open_source(rgb), open_source(tir))
    assert len(list(PairedFrames(open_source(rgb), open_source(tir), "number"))) == 30


def test_patterns_lists_and_parts(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        write_image(tmp_path / f"ir_{number}.png", np.full((8, 8), number, np.uint8))
    assert [int(f[0, 0]) for f in open_source(tmp_path / "ir_*.png", thermal=True)] == [1, 2, 10]
    (tmp_path / "chosen.txt").write_text("ir_10.png\nir_2.png\n")
    chosen = open_source(tmp_path / "chosen.txt", thermal=True)
    assert [int(f[0, 0]) for f in chosen] == [10, 2]
    assert open_source(tmp_path / "ir_2.png").length == 1
    for name, level in (("part1.mp4", 10), ("part2.mp4", 20)):
        clip(tmp_path / name, 5, 10, level)
    parts = open_source(str(tmp_path / "part*.mp4"))
    assert parts.length == 5 * 2 and parts.fps == 10
    frames = list(parts.timed())
    assert [frame.seconds for frame in frames] == pytest.approx([0.1 * i for i in range(10)])
    assert abs(int(frames[9].image[0, 0, 0]) - 80) < 5
    for pattern, message in (
        ("*.jpg", "no file matches"),
        ("*1.*", "images and other files mixed"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            open_source(tmp_path / pattern)
    (tmp_path / "chosen.txt").write_text("ir_3.png\n")
    with pytest.raises(FileNotFoundError, match=r"chosen.txt: no such file: .*ir_3.png"):
        open_source(tmp_path / "chosen.txt")


def test_an_address_that_does_not_answer_is_one_line_without_the_password() -> None:
    with pytest.raises(ValueError) as error:
        open_source("rtsp://user:secret@127.0.0.1:9/stream")
    assert "rtsp://127.0.0.1:9/stream: cannot be opened" in str(error.value)
    assert "secret" not in str(error.value)
