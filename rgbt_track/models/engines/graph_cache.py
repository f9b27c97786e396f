"""Traced and compiled graphs in the user's cache folder: the next start needs no torch.

The folder is ``$RGBT_TRACK_CACHE``, else ``rgbt-track`` in ``$XDG_CACHE_HOME`` or ``~/.cache``;
``RGBT_TRACK_CACHE=off`` keeps nothing. Graphs lie in a folder per network, whose name is a digest
of the weights, the settings, this package's code and the versions of the packages that trace. A
file begins with the digest of what follows: what is damaged counts as missing and is written anew.
Nothing here ever fails for a folder that cannot be read or written.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rgbt_track.config.parsing import to_mapping
from rgbt_track.config.tracker import Config
from rgbt_track.io.files import atomic_path, file_sha256
from rgbt_track.resources import installed_version

VARIABLE = "RGBT_TRACK_CACHE"
_OFF = ("off", "0", "no", "false")
_DIGEST_BYTES = 32
_LARGEST_BYTES = 1 << 30  # of all networks; the one that was not used for longest goes first
_TRACING = ("rgbt-track", "torch", "onnx", "timm")


def cache_folder() -> Path | None:
    """Where graphs are kept; ``None`` where the user wants none, or has no home."""
    value = os.environ.get(VARIABLE, "")
    if value.lower() in _OFF:
        return None
    if value:
        return Path(value)
    if home := os.environ.get("XDG_CACHE_HOME"):
        return Path(home) / "rgbt-track"
    try:
        return Path.home() / ".cache" / "rgbt-track"
    except RuntimeError:
        return None


class GraphCache:
    """The files of one network by name; reading and writing are safe between processes.

    Args:
        folder: made when something is written first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_network(cls, config: Config, weights: Path) -> GraphCache | None:
        """The files of a tracker's network with these weights.

        ``None`` without a cache, and for a network with a class of the user's, whose code is not
        known here.
        """
        root = cache_folder()
        if root is None or ":" in config.model.fusion:
            return None
        parts = [
            to_mapping(config.model),
            config.tracking.template_size,
            file_sha256(weights),
            {package: installed_version(package) for package in _TRACING},
            _code_digest(),
        ]
        return cls(root / digest_of(parts))

    def read(self, name: str) -> bytes | None:
        """The content of a file; ``None`` for one that is missing or damaged."""
        try:
            content = (self.folder / name).read_bytes()
        except OSError:
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == digest else None

    def write(self, name: str, content: bytes) -> None:
        """Keep a file, and remove the networks that were not used for longest."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_path(self.folder / name) as part:
                part.write_bytes(hashlib.sha256(content).digest() + content)
        except (OSError, ValueError):
            return
        _trim(self.folder.parent, self.folder)

    def touch(self) -> None:
        """Say that the network is in use."""
        try:
            os.utime(self.folder)
        except OSError:
            return


def digest_of(parts: Any) -> str:
    """32 hexadecimal digits of what JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@functools.cache
def _code_digest() -> str:
    """Of the code that makes networks and their graphs: a version alone does not tell an edit."""
    digest = hashlib.sha256()
    spec = importlib.util.find_spec("fusion_modules")
    places = [Path(place) for place in (spec.submodule_search_locations if spec else None) or []]
    for folder in (Path(__file__).parents[1], *places):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _trim(root: Path, kept: Path) -> None:
    """Remove other networks than ``kept``, the longest unused first, until all are small enough."""
    try:
        folders = sorted(_networks(root), key=lambda folder: folder.stat().st_mtime, reverse=True)
        total = _size(kept)
        for folder in folders:
            if folder == kept:
                continue
            total += _size(folder)
            if total > _LARGEST_BYTES:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # another process removes, too
        return


def _networks(root: Path) -> Iterator[Path]:
    """The folders that this module has made."""
    names = (path for path in root.iterdir() if len(path.name) == 32)
    return (path for path in names if path.is_dir() and not path.is_symlink())


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
