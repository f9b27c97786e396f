"""A sequence to watch in the report: its video, and every tracker's boxes drawn by the page.

The video (H.264, both modalities side by side) lies beside the page in ``playback/``; boxes and
overlaps are JSON in the page itself, so that it also works from a disk, where a browser would not
load them. ``playback.js`` draws them on a canvas over the video.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import iou_xywh
from rgbt_track.data.sequence import Sequence as RGBTSequence
from rgbt_track.evaluation.comparison import Entry
from rgbt_track.evaluation.frame_errors import result_xywh
from rgbt_track.evaluation.ground_truth import EvaluationSet, shift_origin
from rgbt_track.evaluation.report.figures import line_style
from rgbt_track.evaluation.report.html import Section
from rgbt_track.evaluation.result_files import read_boxes, result_paths
from rgbt_track.io.frames import prepare_frames
from rgbt_track.io.video.writer import VideoFile
from rgbt_track.progress import OnProgress, ignore_progress
from rgbt_track.resources import check_choice

FRAME_RATE = 25.0
FOLDER = "playback"
_PANEL = (640, 512)  # the largest panel, width and height
_TITLES = {"rgb": "visible", "tir": "thermal"}

STYLE = """
.playback { max-width: 76rem; outline-offset: 4px; }
.playback .stage { position: relative; background: #000; line-height: 0; }
.playback video { width: 100%; height: auto; }
.playback .overlay { position: absolute; inset: 0; width: 100%; height: 100%; }
.playback .curve { width: 100%; height: 7rem; border: 1px solid var(--line); cursor: crosshair;
  display: block; margin-top: .4rem; }
.playback .controls, .playback .legend { display: flex; flex-wrap: wrap; gap: .3rem .9rem;
  align-items: center; margin: .5rem 0; }
.playback button, .playback select { font: inherit; padding: .15rem .6rem; }
.playback input[type=range] { flex: 1 1 12rem; min-width: 8rem; }
.playback .frame { font-variant-numeric: tabular-nums; min-width: 8.5rem; }
.playback label { white-space: nowrap; } .playback .swatch { display: inline-block; width: 1.1rem;
  height: .75rem; border: 3px solid; margin: 0 .3rem 0 .1rem; vertical-align: -1px; }
.playback .swatch.truth { background: #555; border-color: #fff; outline: 1px solid #555; }
.playback .overlap { color: var(--quiet); font-variant-numeric: tabular-nums; }
.playback .error { color: #b42318; }
"""


def playback_script() -> str:
    """The JavaScript that plays all sections of ``write_playback`` on a page."""
    file = resources.files("rgbt_track.evaluation.report") / "playback.js"
    return file.read_text(encoding="utf-8")


def check_playback(data: EvaluationSet, names: Sequence[str]) -> None:
    """``ValueError`` unless these sequences and their frames are there."""
    for name in names:
        check_choice("--playback: no sequence", name, list(data.truths))
        if name not in data.sequences:
            raise ValueError(
                f"--playback {name}: a playback needs the frames, and --root has the ground truth "
                "alone"
            )


def write_playback(
    folder: Path,
    data: EvaluationSet,
    entries: Sequence[Entry],
    name: str,
    on_progress: OnProgress = ignore_progress,
) -> Section:
    """Write ``folder/playback/NAME.mp4`` and return the section that plays it with all boxes.

    A tracker has the color of its index in ``entries``, as in the plots. ``on_progress`` is called
    with the numbers of written frames and of all. Raises ``OSError`` where the video cannot be
    written.
    """
    sequence = data.sequences[name]
    video = folder / FOLDER / f"{name}.mp4"
    video.parent.mkdir(parents=True, exist_ok=True)
    panels: list[str] = []
    size = (0, 0)
    with VideoFile(video, FRAME_RATE) as file:
        for index, frames in enumerate(_panels(sequence)):
            if index == 0:
                panels = list(frames)
                height, width = next(iter(frames.values())).shape[:2]
                size = (width, height)
            file.add(_side_by_side(frames, panels, size))
            on_progress(index + 1, len(sequence))
    document = {
        "fps": FRAME_RATE,
        "size": size,
        "panels": [_TITLES[panel] for panel in panels],
        "truth": _rows(np.where(sequence.labelled[:, None], sequence.boxes, np.nan), 1),
        "trackers": [
            _tracker_document(data, sequence, entry, index) for index, entry in enumerate(entries)
        ],
    }
    source = f"{FOLDER}/{quote(video.name)}"
    markup = _MARKUP.format(source=escape(source), data=_json_in_html(document))
    note = (
        f"{len(sequence)} frames, shown at {FRAME_RATE:g} a second. Click the curves of overlap to "
        "go to a frame; keys: space, left and right."
    )
    return Section(f"Playback of {name}", note=note, html=markup)


_MARKUP = """<div class="playback" tabindex="0"><div class="stage">
<video muted playsinline preload="auto" src="{source}"></video><canvas class="overlay"></canvas>
</div><canvas class="curve"></canvas><div class="controls">
<button type="button" class="play">Play</button>
<button type="button" class="back" title="one frame back">&#9664;</button>
<button type="button" class="next" title="one frame on">&#9654;</button>
<input type="range" class="seek" min="0" value="0" aria-label="frame">
<span class="frame"></span><select class="speed" aria-label="speed">
<option value="0.25">1/4</option><option value="0.5">1/2</option>
<option value="1" selected>speed 1</option><option value="2">2</option>
<option value="4">4</option></select></div>
<div class="legend"></div><p class="error" hidden></p>
<script type="application/json">{data}</script></div>"""


def _panels(sequence: RGBTSequence) -> Iterator[dict[str, NDArray[np.uint8]]]:
    for index in range(len(sequence)):
        yield prepare_frames(*sequence.frame(index))


def _side_by_side(
    frames: dict[str, NDArray[np.uint8]], panels: Sequence[str], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The panels beside each other, each shrunk to ``_PANEL``; a frame that is missing is black."""
    width, height = size
    scale = min(_PANEL[0] / width, _PANEL[1] / height, 1.0)
    # Even, so that the video's pixels are the panels' and no column is added at the right.
    target = (max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2))
    black = np.zeros((target[1], target[0], 3), np.uint8)
    return np.hstack(
        [
            np.asarray(cv2.resize(frames[panel], target, interpolation=cv2.INTER_AREA), np.uint8)
            if panel in frames
            else black
            for panel in panels
        ]
    )


def _tracker_document(
    data: EvaluationSet, sequence: RGBTSequence, entry: Entry, index: int
) -> dict[str, Any]:
    path = result_paths(entry.folder, data.truths)[sequence.name]
    boxes = shift_origin(result_xywh(data.rules, read_boxes(path)), -data.first_pixel)
    boxes = boxes[: len(sequence)]
    overlaps = np.nan_to_num(iou_xywh(boxes, sequence.boxes[: len(boxes)]))
    overlaps[~sequence.labelled[: len(boxes)]] = np.nan
    return {
        "name": entry.name,
        "color": line_style(index)["color"],
        "boxes": _rows(boxes, 1),
        "overlaps": [None if np.isnan(value) else round(float(value), 3) for value in overlaps],
    }


def _rows(boxes: NDArray[np.floating], digits: int) -> list[list[float] | None]:
    return [
        [round(float(value), digits) for value in box] if np.isfinite(box).all() else None
        for box in boxes
    ]


def _json_in_html(document: dict[str, Any]) -> str:
    """JSON that no name in it can end the script element with."""
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
