"""The web demo: what a visitor gives, a run, and the page itself over HTTP."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from stub_network import disc_frame

from rgbt_track.boxes import iou_xywh
from rgbt_track.io.images import write_image
from rgbt_track.io.video.reader import VideoReader
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.synthetic.scene import scene_frames
from rgbt_track.web import inputs, session
from rgbt_track.web.curves import curves_svg
from rgbt_track.web.inputs import file_input, parse_box, synthetic_input
from rgbt_track.web.session import cached_tracker, run_tracker

FRAMES = 6


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "SYNTHETIC_FRAMES", FRAMES)


def truth(challenge: str) -> np.ndarray:
    scene = scene_frames(inputs._SEED, FRAMES, (320, 240), challenge)
    return np.array([frame.box for frame in scene])


# --- what is given


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "1,2,3,4,5"])
def test_a_target_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="draw a box around it in either image"):
        parse_box(text)
    assert parse_box(" 1, 2.5,3 ,4") == [1, 2.5, 3, 4]


def test_files_are_read_by_their_suffix_alone(tmp_path: Path) -> None:
    """A list of files would reach files of the machine that nobody uploaded."""
    write_image(tmp_path / "secret.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "list.txt").write_text(str(tmp_path / "secret.png"))
    with pytest.raises(ValueError, match=r"visible: list\.txt: expected one video \(\.mp4"):
        file_input([tmp_path / "list.txt"], [])
    with pytest.raises(ValueError, match="no files: give a visible video"):
        file_input([], [])
    (tmp_path / "x.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"thermal|x\.mp4: cannot be opened"):
        file_input([], [tmp_path / "x.mp4"])


def test_images_are_taken_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        write_image(tmp_path / f"f{number}.png", np.full((8, 8, 3), number, np.uint8))
    source = file_input([tmp_path / f"f{number}.png" for number in (10, 9, 1)], [])
    assert source.length == 3 and source.fps == inputs.FRAME_RATE
    assert [int(rgb[0, 0, 0]) for rgb, tir in source.pairs if rgb is not None] == [1, 9, 10]


# --- a run


@pytest.mark.parametrize("modalities", list(inputs.MODALITY_CHOICES))
def test_a_run_gives_pictures_curves_and_files(short: None, modalities: str) -> None:
    source = synthetic_input("day")
    assert source.box is not None and source.length == FRAMES
    steps = list(run_tracker(cached_tracker("matching"), source, list(source.box), modalities))
    first, last = steps[0], steps[-1]
    assert first.files is None and first.image.shape == (240, 640, 3)
    black = [not np.median(half) for half in np.split(first.image, 2, axis=1)]
    kept = inputs.MODALITY_CHOICES[modalities]
    assert black == ["rgb" not in kept, "tir" not in kept]
    assert last.files is not None
    boxes, scores, video = last.files
    written = np.loadtxt(boxes, delimiter=",")
    assert iou_xywh(written, truth("day")).min() > 0.3
    rows = list(csv.DictReader(scores.open()))
    assert [row["frame"] for row in rows] == [str(number + 1) for number in range(FRAMES)]
    shares = [float(rows[-1][name]) for name in ("rgb", "tir", "fused") if rows[-1].get(name)]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert (len(shares) == 1) == (len(kept) == 1)
    reader = VideoReader(video)
    assert reader.count() == FRAMES
    reader.close()
    assert "Weight of each branch" in last.curves and f"{FRAMES} frames in" in last.text


def test_videos_of_two_cameras(tmp_path: Path) -> None:
    for name in ("rgb", "tir"):
        with VideoFile(tmp_path / f"{name}.mp4", 10) as file:
            for index in range(FRAMES):
                file.add(disc_frame(40 + 2 * index, 40, 12, 120, 80))
    source = file_input([tmp_path / "rgb.mp4"], [tmp_path / "tir.mp4"])
    steps = list(run_tracker(cached_tracker("matching"), source, [28, 28, 24, 24], "both"))
    assert steps[-1].files is not None and source.fps == 10
    written = np.loadtxt(steps[-1].files[0], delimiter=",")
    assert np.allclose(written[-1, :2] + written[-1, 2:] / 2, [40 + 2 * (FRAMES - 1), 40], atol=3)


def test_what_a_run_refuses(short: None, tmp_path: Path) -> None:
    tracker = cached_tracker("matching")
    with pytest.raises(ValueError, match="outside"):
        next(run_tracker(tracker, synthetic_input("day"), [900, 10, 20, 20], "both"))
    write_image(tmp_path / "a.png", np.zeros((80, 80, 3), np.uint8))
    with pytest.raises(ValueError, match=r"no frames of the modalities chosen \(thermal only\)"):
        source = file_input([tmp_path / "a.png"], [])
        next(run_tracker(tracker, source, [10, 10, 20, 20], "thermal only"))
    with pytest.raises(ValueError, match="unknown sequence 'dya', did you mean 'day'"):
        synthetic_input("dya")


def test_a_run_is_bounded(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_FRAMES", 3)
    source = synthetic_input("day")
    assert source.box is not None
    last = list(run_tracker(cached_tracker("matching"), source, list(source.box), "both"))[-1]
    assert "3 frames in" in last.text and "takes 3 frames at most" in last.text


def test_curves_have_gaps_where_there_is_no_value() -> None:
    svg = curves_svg("a<b", {"score": [0.0, None, 1.0, 2.0]}, 4)
    (line,) = [part for part in svg.split("<path") if 'stroke-width="1.6"' in part]
    assert line.count("M") == 2 and line.count("L") == 1
    assert "a&lt;b" in svg and "a<b" not in svg


# --- the page


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of the page, which runs in this process."""
    from gradio_client import Client

    from rgbt_track.web.page import build_page, launch_options

    patch = pytest.MonkeyPatch()
    patch.setattr(inputs, "SYNTHETIC_FRAMES", FRAMES)
    page = build_page(["matching"])
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options()
    )
    yield Client(url, verbose=False)
    page.close()
    patch.undo()


SYNTHETIC = ("synthetic sequence", "day", None, None)


def test_the_page_tracks_over_http(client: Any) -> None:
    pair, box, line, _ = client.predict(*SYNTHETIC, api_name="/first")
    assert Path(pair).is_file() and f"{FRAMES} frames" in line
    assert np.allclose(parse_box(box), truth("day")[0], atol=0.1)
    result = client.predict(*SYNTHETIC, box, "matching", "both", api_name="/track")
    _, curves, line, files = result
    boxes, scores, video = files["value"]
    assert f"{FRAMES} frames in" in line and "<svg" in curves
    assert len(np.loadtxt(boxes, delimiter=",")) == FRAMES
    assert Path(scores).suffix == ".csv" and Path(video).suffix == ".mp4"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SYNTHETIC, "", "matching", "both"), "there is no target"),
        ((*SYNTHETIC, "1,2,3,4,5", "matching", "both"), "the target is '1,2,3,4,5'"),
        ((*SYNTHETIC, "-90,-90,9,9", "matching", "both"), "outside"),
        (("my files", "day", None, None, "1,2,3,4", "matching", "both"), "no files"),
    ],
)
def test_bad_input_is_one_line_in_the_page(
    client: Any, arguments: tuple[Any, ...], message: str
) -> None:
    line = client.predict(*arguments, api_name="/track")[2]
    assert line.startswith("**error:**") and message in line and "\n" not in line


def test_the_page_loads_nothing_from_elsewhere(client: Any) -> None:
    from urllib.request import urlopen

    with urlopen(client.src) as answer:
        text = answer.read().decode()
    assert "#pair img" in text and "pointerdown" in text
    assert "fonts.googleapis.com" not in text


def test_serve_says_where_it_listens(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import gradio

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(gradio.Blocks, "launch", lambda self, **options: calls.append(options))
    code, output, err = run("serve", "--port", "7999", "--tracker", "matching")
    assert code == 0 and "http://127.0.0.1:7999" in output and not err
    assert calls[0]["server_name"] == "127.0.0.1" and calls[0]["share"] is False
    err = run("serve", "--host", "0.0.0.0", "--tracker", "matching")[2]
    assert "warning: 0.0.0.0 lets others in" in err and err.count("\n") == 1
