"""Pairs of frames from folders, single pictures, videos or cameras, each with a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rgbt_track.io.frames import Frame
from rgbt_track.io.images import IMAGE_SUFFIXES
from rgbt_track.io.sources import FolderSource, PairedFrames, Source, open_source


class PictureSource(FolderSource):
    """One picture file."""

    def __init__(self, path: Path, thermal: bool):
        super().__init__(path.parent, thermal)
        self.name, self.paths, self.length = str(path), [path], 1


class NamedPairs:
    """(name, visible, thermal) of two sources: names of the visible files, else frame numbers.

    Raises ``ValueError`` or ``FileNotFoundError`` in one line for sources that do not belong
    together; folders whose names agree in part only are refused, since pairing by order would be
    wrong.
    """

    def __init__(self, rgb: str, tir: str):
        visible, thermal = _open(rgb, thermal=False), _open(tir, thermal=True)
        self.frames = PairedFrames(visible, thermal)
        self.length, self.fps = self.frames.length, self.frames.fps
        self.names = None
        if isinstance(visible, FolderSource):
            self.names = [path.stem for path in visible.paths]
            if isinstance(thermal, FolderSource):
                check_names(self.names, [path.stem for path in thermal.paths], rgb, tir)

    @property
    def is_single(self) -> bool:
        return isinstance(self.frames.rgb, PictureSource)

    def __iter__(self) -> Iterator[tuple[str, Frame, Frame]]:
        for index, (rgb, tir) in enumerate(self.frames):
            yield self.names[index] if self.names else f"{index:06d}", rgb, tir


def check_names(names: list[str], others: list[str], where: str, other: str) -> None:
    """``ValueError`` when some names of two folders agree and others do not."""
    missing = [name for name in names if name not in set(others)]
    if missing and len(missing) < len(names):
        raise ValueError(
            f"{other} lacks the counterpart of {len(missing)} of {len(names)} pictures in {where}, "
            f"{missing[0]!r} the first; give both folders the same names"
        )


def _open(address: str, thermal: bool) -> Source:
    path = Path(address)
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return PictureSource(path, thermal)
    return open_source(address, thermal)
