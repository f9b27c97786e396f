"""Image files as the toolkit expects them: numbered from 1, one suffix per channel.

The toolkit knows ``.jpg`` and ``.png`` alone and finds frames by a number pattern, so a data set's
own names and suffixes don't fit. Frames are linked, not copied, wherever the system allows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rgbt_track.io.images import read_tir, write_image

_SUFFIXES = {".jpg": ".jpg", ".jpeg": ".jpg", ".png": ".png"}


def common_suffix(sources: Sequence[Path]) -> str:
    """The suffix of a channel: ``.jpg`` if all of the files are JPEG, else ``.png``."""
    return ".jpg" if all(_suffix(source) == ".jpg" for source in sources) else ".png"


def place_frames(sources: Sequence[Path], folder: Path, *, copy: bool = False) -> None:
    """Put the files into ``folder`` as ``00000001.jpg`` or ``.png`` and so on, in order.

    A file of the channel's suffix is linked (``copy=True``: copied); any other is converted to
    PNG, losslessly, 16 bits included. Raises ``FileNotFoundError`` for a missing file and
    ``ValueError`` for one that has to be converted and cannot be read.
    """
    suffix = common_suffix(sources)
    folder.mkdir(parents=True)
    for number, source in enumerate(sources, start=1):
        if not source.is_file():
            raise FileNotFoundError(f"no such image: {source}")
        target = folder / f"{number:08d}{suffix}"
        if _suffix(source) != suffix:
            write_image(target, read_tir(source))  # type: ignore[arg-type]  # PNG takes 16 bits
        elif copy:
            shutil.copyfile(source, target)
        else:
            link_file(source.resolve(), target)


def _suffix(source: Path) -> str | None:
    return _SUFFIXES.get(source.suffix.lower())


def link_file(source: Path, target: Path) -> None:
    """A symbolic link if possible, else a hard link, else a copy."""
    try:
        target.symlink_to(source)
    except OSError:  # Windows without the privilege, or a file system without links
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
