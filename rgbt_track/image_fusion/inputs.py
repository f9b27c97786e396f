"""Pairs of frames from folders, single images, videos or cameras, each with a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rgbt_track.io.frames import Frame
from rgbt_track.io.images import IMAGE_SUFFIXES
from rgbt_track.io.pairing import Align, PairBy, PairedFrames
from rgbt_track.io.paths import check_distinct
from rgbt_track.io.sources import FolderSource, Source, open_source


class ImageFileSource(FolderSource):
    """One image file."""

    def __init__(self, path: Path, thermal: bool):
        super().__init__(path.parent, thermal)
        self.name, self.paths, self.length = str(path), [path], 1


class NamedPairs:
    """(name, visible, thermal) of two sources: names of the visible files, else frame numbers.

    Raises ``ValueError`` or ``FileNotFoundError`` in one line for sources that do not fit together.
    Folders whose file names agree only in part are refused, since pairing by order would be wrong,
    and so are two files of one name but for the suffix. ``files`` are those of folders.
    """

    def __init__(
        self,
        rgb: str,
        tir: str,
        pair_by: PairBy = "time",
        tir_delay: float = 0.0,
        align: Align | None = None,
    ):
        visible, thermal = _open(rgb, thermal=False), _open(tir, thermal=True)
        self.frames = PairedFrames(visible, thermal, pair_by, tir_delay, align)
        self.length, self.fps = self.frames.length, self.frames.fps
        self.names = None
        folders = [source for source in (visible, thermal) if isinstance(source, FolderSource)]
        self.files = [path for source in folders for path in source.paths]
        for source in folders:
            check_distinct("the fused image", ((path.stem, path) for path in source.paths))
        if isinstance(visible, FolderSource):
            self.names = [path.stem for path in visible.paths]
            if isinstance(thermal, FolderSource):
                check_names(self.names, [path.stem for path in thermal.paths], rgb, tir)

    @property
    def is_single(self) -> bool:
        """Whether the source is one image file."""
        return isinstance(self.frames.rgb, ImageFileSource)

    def __iter__(self) -> Iterator[tuple[str, Frame, Frame]]:
        for index, (rgb, tir) in enumerate(self.frames):
            yield self.names[index] if self.names else f"{index:06d}", rgb, tir


def check_names(names: list[str], other_names: list[str], folder: str, other_folder: str) -> None:
    """``ValueError`` when some file names of two folders agree and others do not.

    Args:
        names: of the files in ``folder``, without suffix.
        other_names: of the files in ``other_folder``.
        folder: what the error calls the first.
        other_folder: what the error calls the second.
    """
    unpaired = [name for name in names if name not in set(other_names)]
    if unpaired and len(unpaired) < len(names):
        raise ValueError(
            f"{other_folder} lacks the counterpart of {len(unpaired)} of {len(names)} images in "
            f"{folder}, {unpaired[0]!r} the first; give both folders the same names"
        )


def _open(address: str, thermal: bool) -> Source:
    path = Path(address)
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFileSource(path, thermal)
    return open_source(address, thermal)
