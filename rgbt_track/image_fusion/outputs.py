"""Writing fused frames: to a folder of images, one image, or a video."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

from rgbt_track.image_fusion.fuser import Image, as_rgb
from rgbt_track.io.images import IMAGE_SUFFIXES, write_image
from rgbt_track.io.video.writer import OUTPUT_SUFFIXES, VideoFile

_DEFAULT_FPS = 25.0


def is_file_name(out: Path) -> bool:
    """Whether ``out`` is a video or one image, by its suffix; otherwise it is a folder."""
    return out.suffix.lower() in (*OUTPUT_SUFFIXES, *IMAGE_SUFFIXES) and not out.is_dir()


def image_paths(out: Path, names: Iterable[str]) -> dict[str, Path]:
    """What is written for images of these names: "image NAME" -> path; nothing for a file."""
    if is_file_name(out) or not out.is_dir():
        return {}
    return {f"image {name}": out / f"{name}.png" for name in names}


class ImageOutput(AbstractContextManager["ImageOutput"]):
    """Writes images by name to ``out``: a video, one image file for a single pair, or a folder.

    Raises ``FileNotFoundError`` where the folder above does not exist, and ``ValueError`` for
    several images into the file of one.
    """

    def __init__(self, out: Path, fps: float | None, is_single: bool):
        self.out = out
        self.is_video = is_file_name(out) and out.suffix.lower() in OUTPUT_SUFFIXES
        self.is_file = is_file_name(out)
        if self.is_file and not self.is_video and not is_single:
            raise ValueError(f"{out}: several images do not fit one file; give a folder or .mp4")
        if not out.resolve().parent.is_dir():
            raise FileNotFoundError(f"{out}: the folder above it does not exist")
        self._stack = ExitStack()
        self._video = VideoFile(out, fps or _DEFAULT_FPS) if self.is_video else None

    def __enter__(self) -> ImageOutput:
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

    def add(self, name: str, image: Image) -> None:
        """Write one image (H, W) or (H, W, 3) RGB, or append it to the video."""
        if self._video is not None:
            self._video.add(as_rgb(image))
        elif self.is_file:
            write_image(self.out, image)
        else:
            self.out.mkdir(exist_ok=True)
            write_image(self.out / f"{name}.png", image)

    def add_parts(self, name: str, parts: dict[str, Image]) -> None:
        """Write the intermediate images into ``parts/`` beside (or in) the output."""
        folder = (self.out.parent if self.is_file else self.out) / "parts"
        folder.mkdir(exist_ok=True)  # ``add`` has made the folder above
        for part, image in parts.items():
            write_image(folder / f"{name}_{part}.png", image)
