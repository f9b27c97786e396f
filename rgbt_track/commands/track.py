"""``rgbt-track track``: follow targets through two folders, two videos or two cameras."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track as progress

from rgbt_track import load_tracker
from rgbt_track.commands.options import (
    DeviceName,
    EngineName,
    PrecisionName,
    TrackerName,
    WeightsFile,
)
from rgbt_track.io.drawing import ContactSheet, VideoFile, draw_pair
from rgbt_track.io.files import growing_file
from rgbt_track.io.frames import Frame, prepare_frames
from rgbt_track.io.images import check_image_name
from rgbt_track.io.paths import check_paths
from rgbt_track.io.sources import PairedFrames, open_source
from rgbt_track.resources import default_tracker
from rgbt_track.tracking.state import TrackState
from rgbt_track.tracking.tracker import Tracker

_DEFAULT_FPS = 25.0


def track(
    rgb: Annotated[
        str | None, typer.Option(help="Visible frames: a folder, a video or a camera's index.")
    ] = None,
    tir: Annotated[
        str | None, typer.Option(help="Thermal frames, registered to the visible ones.")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(help="A target in the first frame as x,y,w,h in pixels; may be repeated."),
    ] = None,
    tracker: TrackerName = None,
    weights: WeightsFile = None,
    device: DeviceName = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    out: Annotated[
        Path, typer.Option(help="One row x,y,w,h per frame; of several targets boxes_1.txt, ...")
    ] = Path("boxes.txt"),
    scores: Annotated[
        Path | None, typer.Option(help="One score per frame, in [0, 1]; files as for --out.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="An MP4 of both modalities with the boxes.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="An image of eight frames of the run.")
    ] = None,
) -> None:
    """Follow one target, or several at once, through visible and thermal frames.

    A modality may be left out, or go black for a while: tracking continues on the other. Without
    --box you draw the target in a window. Ctrl-C ends a camera; boxes so far are kept. After an
    error the boxes up to it are in the --out file's name with `.part` behind it. Every --box is a
    target with a file and a color of its own.

    Example: `rgbt-track track --rgb color/ --tir ir/ --box 477,139,80,233 --video out.mp4`
    """
    boxes = [parse_box(text) for text in box or []]
    files = target_files(out, len(boxes))
    score_files = target_files(scores, len(boxes)) if scores else []
    check_paths(
        inputs={"--rgb": rgb, "--tir": tir, "--weights": weights, "--tracker": tracker},
        files={
            **_labelled("--out", files),
            **_labelled("--scores", score_files),
            "--video": video,
            "--picture": picture,
        },
    )
    frames = PairedFrames(
        open_source(rgb) if rgb is not None else None,
        open_source(tir, thermal=True) if tir is not None else None,
    )
    if picture is not None:
        check_image_name(picture)
    loaded = _load(tracker, device, weights, engine, precision)
    count = _run(loaded, frames, boxes, files, score_files, video, picture)
    names = ", ".join(map(str, files))
    typer.echo(f"{count} boxes in {names}" + (f", video in {video}" if video else ""))


def parse_box(text: str) -> list[float]:
    """'x,y,w,h' -> four numbers; ``ValueError`` quotes an invalid text."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise ValueError(f"--box is {text!r}; expected x,y,w,h, for instance 477,139,80,233")
    return values


def target_files(path: Path, count: int) -> list[Path]:
    """``path`` for one target; for several of them NAME_1.txt, NAME_2.txt and so on."""
    if count < 2:
        return [path]
    return [path.with_name(f"{path.stem}_{index}{path.suffix}") for index in range(1, count + 1)]


def _labelled(option: str, paths: list[Path]) -> dict[str, str | Path | None]:
    """Paths by what messages call them."""
    if len(paths) == 1:
        return {option: paths[0]}
    return {f"{option} of target {index}": path for index, path in enumerate(paths, 1)}


def _load(
    name: str | None, device: str, weights: Path | None, engine: str, precision: str
) -> Tracker:
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        loaded = load_tracker(
            default_tracker() if name is None else name,
            device,
            weights,
            engine=engine,
            precision=precision,
        )
    for warning in caught_warnings:
        typer.echo(f"warning: {warning.message}", err=True)
    note = f": {loaded.config.note}" if loaded.config.note else ""
    typer.echo(f"tracker {loaded.config.name}{note}")
    return loaded


def _run(
    tracker: Tracker,
    frames: PairedFrames,
    boxes: list[list[float]],
    out: list[Path],
    scores: list[Path],
    video: Path | None,
    picture: Path | None,
) -> int:
    """Track and write; ``out`` and ``scores`` have a file for each target, or ``scores`` none."""
    states: list[TrackState] = []
    sheet, count = ContactSheet(), 0
    with ExitStack() as open_files:
        rows = [open_files.enter_context(growing_file(path)) for path in out]
        score_rows = [open_files.enter_context(growing_file(path)) for path in scores]
        video_file = (
            open_files.enter_context(VideoFile(video, frames.fps or _DEFAULT_FPS))
            if video
            else None
        )
        try:
            for rgb, tir in progress(frames, "tracking", frames.length):
                if states:
                    states = tracker.update_many(rgb, tir, states)
                else:
                    first_boxes = boxes or [draw_box(rgb, tir)]
                    states = [tracker.init(rgb, tir, box) for box in first_boxes]
                for file, state in zip(rows, states, strict=True):
                    file.write(",".join(f"{value:.2f}" for value in state.box) + "\n")
                for file, state in zip(score_rows, states, strict=bool(score_rows)):
                    file.write(f"{state.score:.4f}\n")
                on_sheet = picture is not None and sheet.wants_next()
                if video_file or on_sheet:
                    image = _draw(rgb, tir, states, count)
                if video_file:
                    video_file.add(image)
                if on_sheet:
                    sheet.add(image)
                count += 1
        except KeyboardInterrupt:
            typer.echo("interrupted; the boxes so far are kept", err=True)
        if not count:
            raise ValueError("the input has no frames: nothing was tracked")
    if picture is not None:
        sheet.write(picture)
    return count


def _draw(rgb: Frame, tir: Frame, states: list[TrackState], count: int) -> NDArray[np.uint8]:
    scores = " ".join(f"{state.score:.2f}" for state in states)
    boxes = [state.box for state in states]
    return draw_pair(rgb, tir, boxes, f"{count}  score {scores}", states[0].frame_size)


def draw_box(rgb: Frame, tir: Frame) -> list[float]:
    """Let the user draw the target on the first frame; ``ValueError`` without a display."""
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise ValueError("there is no display to draw the target on: give it as --box x,y,w,h")
    frames = prepare_frames(rgb, tir)
    image = cv2.cvtColor(next(iter(frames.values())), cv2.COLOR_RGB2BGR)
    window = "Draw the target, then press Enter"
    try:
        box = cv2.selectROI(window, image, showCrosshair=False)
        cv2.destroyWindow(window)
    except cv2.error:
        raise ValueError(
            "this OpenCV cannot open windows: give the target as --box x,y,w,h, "
            "or install opencv-python instead of its headless variant"
        ) from None
    if box[2] == 0 or box[3] == 0:
        raise ValueError("no target was drawn: draw one, or give it as --box x,y,w,h")
    return [float(value) for value in box]
