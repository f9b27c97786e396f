"""``rgbt-track track``: follow one target through two folders, two videos or two cameras."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import cv2
import typer
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
        str | None, typer.Option(help="The target in the first frame as x,y,w,h in pixels.")
    ] = None,
    tracker: TrackerName = None,
    weights: WeightsFile = None,
    device: DeviceName = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    out: Annotated[Path, typer.Option(help="One row x,y,w,h per frame.")] = Path("boxes.txt"),
    scores: Annotated[Path | None, typer.Option(help="One score per frame, in [0, 1].")] = None,
    video: Annotated[
        Path | None, typer.Option(help="An MP4 of both modalities with the box.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="An image of eight frames of the run.")
    ] = None,
) -> None:
    """Follow one target through visible and thermal frames.

    A modality may be left out, or go black for a while: tracking continues on the other. Without
    --box you draw the target in a window. Ctrl-C ends a camera; boxes so far are kept. After an
    error the boxes up to it are in the --out file's name with `.part` behind it.

    Example: `rgbt-track track --rgb color/ --tir ir/ --box 477,139,80,233 --video out.mp4`
    """
    check_paths(
        inputs={"--rgb": rgb, "--tir": tir, "--weights": weights, "--tracker": tracker},
        files={"--out": out, "--scores": scores, "--video": video, "--picture": picture},
    )
    frames = PairedFrames(
        open_source(rgb) if rgb is not None else None,
        open_source(tir, thermal=True) if tir is not None else None,
    )
    first_box = parse_box(box) if box is not None else None
    if picture is not None:
        check_image_name(picture)
    loaded = _load(tracker, device, weights, engine, precision)
    count = _run(loaded, frames, first_box, out, scores, video, picture)
    typer.echo(f"{count} boxes in {out}" + (f", video in {video}" if video else ""))


def parse_box(text: str) -> list[float]:
    """'x,y,w,h' -> four numbers; ``ValueError`` quotes an invalid text."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise ValueError(f"--box is {text!r}; expected x,y,w,h, for instance 477,139,80,233")
    return values


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
    box: list[float] | None,
    out: Path,
    scores: Path | None,
    video: Path | None,
    picture: Path | None,
) -> int:
    state, sheet, count = None, ContactSheet(), 0
    with ExitStack() as open_files:
        rows = open_files.enter_context(growing_file(out))
        score_rows = open_files.enter_context(growing_file(scores)) if scores else None
        video_file = (
            open_files.enter_context(VideoFile(video, frames.fps or _DEFAULT_FPS))
            if video
            else None
        )
        try:
            for rgb, tir in progress(frames, "tracking", frames.length):
                if state is None:
                    state = tracker.init(rgb, tir, box if box is not None else draw_box(rgb, tir))
                else:
                    state = tracker.update(rgb, tir, state)
                rows.write(",".join(f"{value:.2f}" for value in state.box) + "\n")
                if score_rows:
                    score_rows.write(f"{state.score:.4f}\n")
                on_sheet = picture is not None and sheet.wants_next()
                if video_file or on_sheet:
                    caption = f"{count}  score {state.score:.2f}"
                    image = draw_pair(rgb, tir, state.box, caption, state.frame_size)
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
