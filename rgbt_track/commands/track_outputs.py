"""What ``track`` writes: boxes, scores, a video and a picture, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from rgbt_track.io.drawing import ContactSheet
from rgbt_track.io.files import growing_file
from rgbt_track.io.video.writer import VideoFile


@dataclass(frozen=True)
class OutputFiles:
    """The files of one run: boxes and scores one per target; ``None`` for what is not wanted."""

    boxes: tuple[Path, ...]
    scores: tuple[Path, ...] = ()
    video: Path | None = None
    picture: Path | None = None

    @classmethod
    def of_targets(
        cls, boxes: Path, scores: Path | None, video: Path | None, picture: Path | None, count: int
    ) -> OutputFiles:
        """The files for ``count`` targets; of several, NAME_1.txt, NAME_2.txt and so on."""
        score_files = target_files(scores, count) if scores else ()
        return cls(target_files(boxes, count), score_files, video, picture)

    @classmethod
    def in_folder(cls, folder: Path, count: int) -> OutputFiles:
        """All of them, under their usual names."""
        boxes, scores, video, picture = (
            folder / name for name in ("boxes.txt", "scores.txt", "video.mp4", "picture.png")
        )
        return cls.of_targets(boxes, scores, video, picture, count)

    def labelled(self) -> dict[str, Path | None]:
        """The files by what messages call them."""
        labels: dict[str, Path | None] = {}
        for option, paths in (("--out", self.boxes), ("--scores", self.scores)):
            for index, path in enumerate(paths, start=1):
                labels[option if len(paths) == 1 else f"{option} of target {index}"] = path
        return {**labels, "--video": self.video, "--picture": self.picture}


def target_files(path: Path, count: int) -> tuple[Path, ...]:
    """``path`` for one target; for several of them NAME_1.txt, NAME_2.txt and so on."""
    if count < 2:
        return (path,)
    numbers = range(1, count + 1)
    return tuple(path.with_name(f"{path.stem}_{number}{path.suffix}") for number in numbers)


class TrackOutputs:
    """The open files of a run.

    Args:
        files: their names.
        fps: of the video, for frames without a time.
    """

    def __init__(self, files: OutputFiles, fps: float):
        self.count = 0
        self._files, self._stack = files, ExitStack()
        self._video = VideoFile(files.video, fps) if files.video else None
        self._sheet = ContactSheet()
        self._boxes: list[TextIO] = []
        self._scores: list[TextIO] = []
        self._on_sheet = False

    def __enter__(self) -> TrackOutputs:
        self._boxes, self._scores = (
            [self._stack.enter_context(growing_file(path)) for path in paths]
            for paths in (self._files.boxes, self._files.scores)
        )
        if self._video is not None:
            self._stack.enter_context(self._video)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is None and self._files.picture is not None:
            self._sheet.write(self._files.picture)

    def add(self, results: Sequence[tuple[NDArray[np.floating], float]]) -> bool:
        """Write each target's box and score; returns whether the frame's picture is needed."""
        for file, (box, _) in zip(self._boxes, results, strict=True):
            file.write(",".join(f"{value:.2f}" for value in box) + "\n")
        for file, (_, score) in zip(self._scores, results, strict=bool(self._scores)):
            file.write(f"{score:.4f}\n")
        self.count += 1
        self._on_sheet = self._files.picture is not None and self._sheet.wants_next()
        return self._on_sheet or self._video is not None

    def add_picture(self, image: NDArray[np.uint8], seconds: float | None) -> None:
        """The picture of the frame added last, (H, W, 3) RGB, and its time where it has one."""
        if self._video is not None:
            self._video.add(image, seconds)
        if self._on_sheet:
            self._sheet.add(image)
