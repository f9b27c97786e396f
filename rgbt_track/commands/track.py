"""``rgbt-track track``: follow targets through folders, videos, cameras or network streams."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track as progress

from rgbt_track import load_tracker
from rgbt_track.boxes import xywh_from_text
from rgbt_track.commands.common import leave_interrupted, tracker_and_weights
from rgbt_track.commands.options import (
    DeviceName,
    EngineName,
    PairByName,
    PrecisionName,
    RegistrationFile,
    ThermalDelay,
    TrackerName,
    WeightsFile,
)
from rgbt_track.commands.track_outputs import OutputFiles, TrackOutputs
from rgbt_track.config.run_files import weights_file
from rgbt_track.io.drawing import draw_pair
from rgbt_track.io.files import numbered_folder
from rgbt_track.io.frames import Frame, check_box, prepare_frames
from rgbt_track.io.images import check_image_name
from rgbt_track.io.pairing import PairedFrames, check_pair_by
from rgbt_track.io.paths import check_paths
from rgbt_track.io.sources import open_source
from rgbt_track.registration.yaml_file import load_registration
from rgbt_track.tracking.state import TrackState
from rgbt_track.tracking.tracker import Tracker
from rgbt_track.windows.live import LiveWindow
from rgbt_track.windows.target import draw_target

_DEFAULT_FPS = 25.0
_FOLDER = Path("output")


def track(
    rgb: Annotated[
        str | None,
        typer.Option(help="Visible: a folder, a video, `ir/*.png`, a list, a camera or a URL."),
    ] = None,
    tir: Annotated[
        str | None,
        typer.Option(
            help="Thermal, 8 to 16 bits, registered to the visible or with --registration."
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(help="A target in the first frame as x,y,w,h in pixels; may be repeated."),
    ] = None,
    pair_by: PairByName = "time",
    tir_delay: ThermalDelay = 0.0,
    registration: RegistrationFile = None,
    tracker: TrackerName = None,
    weights: WeightsFile = None,
    device: DeviceName = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "fp32",
    out: Annotated[
        Path | None,
        typer.Option(
            help="One row x,y,w,h per frame; without any name, all in a new output/trackN/."
        ),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="One score per frame, in [0, 1]; files as for --out.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="An MP4 (H.264) of both modalities with the boxes.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="An image of eight frames of the run.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Watch in a window: space pauses, r redraws, q quits.")
    ] = False,
) -> None:
    """Follow one target, or several at once, through visible and thermal frames.

    A modality may be left out, or go black for a while: tracking continues on the other. Without
    --box you draw the target in a window. Videos are paired by time, live sources give their
    newest frames. Ctrl-C ends a camera; boxes so far are kept. After an error the boxes up to it
    are in the boxes' file with `.part` behind its name. Every --box is a target with a color and,
    as boxes_1.txt, boxes_2.txt and so on, a file of its own.

    Example: `rgbt-track track --rgb color/ --tir ir/ --box 477,139,80,233 --video out.mp4`
    """
    boxes = [parse_box(text) for text in box or []]
    if out is None and (scores or video or picture):
        out = Path("boxes.txt")
    if out is not None:
        files = OutputFiles.of_targets(out, scores, video, picture, len(boxes))
    check_paths(
        inputs={
            "--rgb": rgb,
            "--tir": tir,
            "--weights": weights,
            "--tracker": tracker,
            "--registration": registration,
        },
        files=files.labelled() if out is not None else {},
    )
    if picture is not None:
        check_image_name(picture)
    frames = PairedFrames(
        open_source(rgb) if rgb is not None else None,
        open_source(tir, thermal=True) if tir is not None else None,
        check_pair_by(pair_by),
        tir_delay,
        load_registration(registration).align if registration is not None else None,
    )
    try:
        pairs = _with_checked_boxes(frames, boxes)
        loaded = _load(*tracker_and_weights(tracker, weights), device, engine, precision)
        if out is None:
            folder = numbered_folder(_FOLDER, "track")
            files = OutputFiles.in_folder(folder, len(boxes))
        count, end = _run(loaded, frames, pairs, boxes, files, show)
    finally:
        frames.close()
    if frames.warning:
        typer.echo(f"warning: {frames.warning}", err=True)
    if frames.is_live:
        typer.echo(f"{frames.dropped} frames dropped")
    if out is None:
        typer.echo(f"{count} boxes, scores, video and picture in {folder}")
    else:
        names = ", ".join(map(str, files.boxes))
        typer.echo(f"{count} boxes in {names}" + (f", video in {video}" if video else ""))
    leave_interrupted(end, frames.is_live)


def parse_box(text: str) -> list[float]:
    """'x,y,w,h' -> four numbers; ``ValueError`` quotes an invalid text."""
    values = xywh_from_text(text)
    if values is None:
        raise ValueError(f"--box is {text!r}; expected x,y,w,h, for instance 477,139,80,233")
    return values


def _with_checked_boxes(
    frames: PairedFrames, boxes: list[list[float]]
) -> Iterator[tuple[Frame, Frame]]:
    """The frames, once the first of them has shown that the boxes can be tracked in it.

    So a box that cannot is refused before anything is loaded or printed. Of live sources no frame
    is taken before the tracker is there.
    """
    pairs = iter(frames)
    if not boxes or frames.is_live:
        return pairs
    first = next(pairs, None)
    if first is None:
        return pairs
    height, width = next(iter(prepare_frames(*first).values())).shape[:2]
    for box in boxes:
        check_box(box, width, height)
    return chain([first], pairs)


def _load(name: str, weights: Path | None, device: str, engine: str, precision: str) -> Tracker:
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        loaded = load_tracker(name, device, weights, engine=engine, precision=precision)
    for warning in caught_warnings:
        typer.echo(f"warning: {warning.message}", err=True)
    note = f": {loaded.config.note}" if loaded.config.note else ""
    file = weights or weights_file(name)
    origin = f" of {file}" if file is not None else ""
    typer.echo(f"tracker {loaded.config.name}{origin}{note}")
    return loaded


def _run(
    tracker: Tracker,
    frames: PairedFrames,
    pairs: Iterable[tuple[Frame, Frame]],
    boxes: list[list[float]],
    files: OutputFiles,
    show: bool,
) -> tuple[int, KeyboardInterrupt | None]:
    """Track and write; returns the number of frames, and what has ended them before their end."""
    states: list[TrackState] = []
    end = None
    with LiveWindow() as window, TrackOutputs(files, frames.fps or _DEFAULT_FPS) as outputs:
        try:
            for rgb, tir in progress(pairs, "tracking", frames.length):
                if states:
                    states = tracker.update_many(rgb, tir, states)
                else:
                    first_boxes = boxes or [draw_target(rgb, tir)]
                    states = [tracker.init(rgb, tir, box) for box in first_boxes]
                if outputs.add([(state.box, state.score) for state in states]) or show:
                    image = _draw(rgb, tir, states, outputs.count - 1)
                    outputs.add_picture(image, frames.seconds)
                if show:
                    dropped = frames.dropped if frames.is_live else None
                    action = window.show(image, [state.score for state in states], dropped)
                    if action == "redraw":
                        _redraw(tracker, rgb, tir, states)
                    elif action == "quit":
                        break
        except KeyboardInterrupt as error:
            end = error
        if end is not None and not outputs.count:
            raise end
        if not outputs.count:
            raise ValueError("the input has no frames: nothing was tracked")
    return outputs.count, end


def _redraw(tracker: Tracker, rgb: Frame, tir: Frame, states: list[TrackState]) -> None:
    """Let the user draw the target anew, of several the one with the lowest score."""
    worst = min(range(len(states)), key=lambda index: states[index].score)
    states[worst] = tracker.init(rgb, tir, draw_target(rgb, tir))


def _draw(rgb: Frame, tir: Frame, states: list[TrackState], count: int) -> NDArray[np.uint8]:
    scores = " ".join(f"{state.score:.2f}" for state in states)
    boxes = [state.box for state in states]
    return draw_pair(rgb, tir, boxes, f"{count}  score {scores}", states[0].frame_size)
