"""Writing tracks of unlabelled video as a data set of the layout that the video lies in.

The frames come along (hard links where the disk allows it, copies elsewhere), so that the new
folder is a data set of its own, read by the same description.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rgbt_track.boxes import Boxes
from rgbt_track.data.annotations import from_xywh
from rgbt_track.data.description import DatasetDescription
from rgbt_track.data.sequence import FrameFile, Sequence
from rgbt_track.io.box_files import write_boxes
from rgbt_track.io.files import atomic_path, write_text
from rgbt_track.io.videos import VideoFrame

_VIDEO_LABELS = "{name}__*.txt"
_LABELS = "groundtruth.txt"


def write_track(
    out: Path,
    root: Path,
    description: DatasetDescription,
    sequence: Sequence,
    target: str,
    first: int,
    boxes: Boxes,
) -> Path:
    """Write one target's boxes, and its frames if they are not there, below ``out``.

    Args:
        out: root of the new data set.
        root: root of the data set that the sequence is of.
        description: of both.
        sequence: the whole video.
        target: the target's name; unique in the sequence.
        first: frame of the sequence of the first box.
        boxes: (N, 4) x, y, w, h of consecutive frames.

    Returns the label file. Raises ``FileExistsError`` where there is such a file already.
    """
    if description.layout == "video":
        return _write_video_track(out, root, description, sequence, target, first, boxes)
    folder = out / f"{sequence.name}-{target}"
    path = folder / (description.boxes or (_LABELS,))[0]
    _refuse_existing(path)
    for modality, name in (("rgb", description.rgb), ("tir", description.tir)):
        if name:
            for file in sequence.image_files(modality)[first : first + len(boxes)]:
                _bring(file, folder / name / file.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_boxes(path, from_xywh(boxes, description))
    return path


def _write_video_track(
    out: Path,
    root: Path,
    description: DatasetDescription,
    sequence: Sequence,
    target: str,
    first: int,
    boxes: Boxes,
) -> Path:
    videos = {
        pattern: _video(frames)
        for pattern, frames in ((description.rgb, sequence.rgb), (description.tir, sequence.tir))
        if pattern and frames
    }
    pattern, video = next(iter(videos.items()))
    folder = out / video.parents[pattern.count("/")].relative_to(root)
    # A video's name is the last part of its group's, which the folders above it begin.
    prefix = "".join(f"{part}-" for part in folder.relative_to(out).parts)
    name = (sequence.group or sequence.name).removeprefix(prefix)
    template = (description.boxes or (_VIDEO_LABELS,))[0]
    path = folder / template.format(name=name).replace("*", target)
    _refuse_existing(path)
    for file in videos.values():
        _bring(file, out / file.relative_to(root))
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = from_xywh(boxes, description)
    lines = (
        ",".join([str(first + row), *(f"{value:.2f}" for value in values)])
        for row, values in enumerate(rows)
    )
    write_text(path, "\n".join(lines) + "\n")
    return path


def _video(frames: tuple[FrameFile, ...]) -> Path:
    first = frames[0]
    assert isinstance(first, VideoFrame)
    return first.path


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} exists; remove it or choose another folder")


def _bring(file: Path, place: Path) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(place) as part:
        try:
            os.link(file, part)
        except OSError:
            shutil.copyfile(file, part)
