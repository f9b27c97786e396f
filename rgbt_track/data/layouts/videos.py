"""The layout ``video``: a file per video, and a text file per target of it.

``rgb`` and ``tir`` are patterns of the video files in a folder, whose one ``*`` is the video's name
(``*``, ``*_tir.mp4``, ``thermal/*.avi``); a pattern without a suffix matches every video format.
With both patterns, files of one name are a pair. ``boxes`` are patterns of its label files, whose
``*`` is the target's name, with rows ``frame,x,y,w,h``: the frame of the file from 0. Every target
is a sequence from its first to its last row; frames without a row are unlabelled.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbt_track.boxes import Boxes
from rgbt_track.data.annotations import Annotation, to_xywh
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.discovery import Item
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.box_files import parse_row
from rgbt_track.io.files import read_lines
from rgbt_track.io.images import natural_key
from rgbt_track.io.videos import VIDEO_SUFFIXES, VideoFrame, count_frames

Videos = dict[str, dict[str, Path]]


def video_patterns(description: DatasetDescription) -> tuple[str, ...]:
    """The patterns of both modalities' files, each with every suffix where it has none."""
    patterns = (pattern for pattern in (description.rgb, description.tir) if pattern)
    return tuple(full for pattern in patterns for full in _with_suffixes(pattern))


def read_videos(description: DatasetDescription, item: Item) -> list[Sequence]:
    """The targets of all videos of a folder, in natural order; videos without one as they are.

    Raises ``FileNotFoundError`` or ``ValueError`` in one line for a video without its counterpart
    or, where labels are required, without a target, and for label files with bad rows.
    """
    videos = find_videos(description, item.folder)
    labels = _label_files(description, item.folder, list(videos))
    prefix = "".join(f"{part}-" for part in item.parts)
    sequences = []
    for name, files in videos.items():
        if not labels[name]:
            if description.labels == "required":
                expected = " or ".join(description.boxes).format(name=name) or "label files"
                raise FileNotFoundError(f"{item.folder}: no target of {name}; expected {expected}")
            count = min(map(count_frames, files.values()))
            boxes = np.full((count, 4), np.nan)
            sequences.append(_sequence(prefix + name, prefix + name, files, 0, boxes))
        for target, path in labels[name].items():
            first, boxes = read_track(path, description)
            label = f"{prefix}{name}__{target}"
            sequences.append(_sequence(label, prefix + name, files, first, boxes, description))
    return sequences


def find_videos(description: DatasetDescription, folder: Path) -> Videos:
    """Name -> modality -> file of the videos in a folder, in natural order.

    Raises ``ValueError`` for a second file of one name and modality, and where one modality's file
    lacks the other's.
    """
    videos: Videos = {}
    patterns = {"rgb": description.rgb, "tir": description.tir}
    modalities = [modality for modality, pattern in patterns.items() if pattern]
    for modality in modalities:
        for pattern in _with_suffixes(patterns[modality] or ""):
            for path in sorted(folder.glob(pattern)):
                name = _wildcard(pattern, path.relative_to(folder).as_posix())
                files = videos.setdefault(name, {})
                if modality in files:
                    raise ValueError(f"{path}: a second video beside {files[modality].name}")
                files[modality] = path
    for name, files in videos.items():
        for modality in modalities:
            if modality not in files:
                path = next(iter(files.values()))
                raise ValueError(f"{path}: no {modality} video of the name {name!r} beside it")
    return {name: videos[name] for name in sorted(videos, key=natural_key)}


def read_track(path: Path, description: DatasetDescription) -> tuple[int, Boxes]:
    """The first frame of a track, and its boxes (N, 4) from there on, NaN where it has no row.

    Raises ``ValueError`` by row for what is no frame and box, and for a frame that occurs twice.
    """
    frames: dict[int, list[float]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{path}: row {number}"
        frame, *box = parse_row(line, where, allow_nan=description.absent == "nan")
        if len(box) not in (4, 8):
            raise ValueError(f"{where} has {len(box) + 1} numbers; expected frame,x,y,w,h")
        if frame < 0 or frame != int(frame):
            raise ValueError(f"{where}: {frame:g} is no frame; frames count from 0")
        if int(frame) in frames:
            raise ValueError(f"{where}: frame {frame:g} has a row already")
        frames[int(frame)] = box
    if not frames:
        raise ValueError(f"{path}: no rows; expected frame,x,y,w,h")
    first = min(frames)
    boxes = np.full((max(frames) - first + 1, 4), np.nan)
    for frame, box in frames.items():
        boxes[frame - first] = to_xywh(np.array([box], float), description)[0]
    return first, boxes


def _sequence(
    name: str,
    group: str,
    files: dict[str, Path],
    first: int,
    boxes: Boxes,
    description: DatasetDescription | None = None,
) -> Sequence:
    absent: NDArray[np.bool_] = np.zeros(len(boxes), bool)
    if description is not None and description.absent == "nonpositive":
        absent = np.asarray((np.nan_to_num(boxes[:, 2:], nan=1.0) <= 0).any(1))
    frames = {
        modality: tuple(VideoFrame(path, first + index) for index in range(len(boxes)))
        for modality, path in files.items()
    }
    return Sequence(
        name=name,
        rgb=frames.get("rgb"),
        tir=frames.get("tir"),
        annotation=Annotation(boxes, absent),
        group=group,
    )


def _label_files(
    description: DatasetDescription, folder: Path, names: list[str]
) -> dict[str, dict[str, Path]]:
    """Video -> target -> label file; a file that matches two names belongs to the longer one."""
    labels: dict[str, dict[str, Path]] = {name: {} for name in names}
    assigned: set[Path] = set()
    for name in sorted(names, key=len, reverse=True):
        for template in description.boxes:
            pattern = template.format(name=glob.escape(name))
            paths = [path for path in folder.glob(pattern) if path not in assigned]
            for path in sorted(paths, key=lambda path: natural_key(path.name)):
                relative = path.relative_to(folder).as_posix()
                labels[name][_wildcard(template.format(name=name), relative)] = path
                assigned.add(path)
            if paths:
                break
    return labels


def _with_suffixes(pattern: str) -> tuple[str, ...]:
    if Path(pattern).suffix:
        return (pattern,)
    return tuple(pattern + suffix for suffix in VIDEO_SUFFIXES)


def _wildcard(pattern: str, text: str) -> str:
    """The part of a text that the last ``*`` of a pattern matches."""
    before, _, after = pattern.rpartition("*")
    match = re.fullmatch(f"{re.escape(before)}(.*){re.escape(after)}", text)
    assert match is not None
    return match[1]
