"""Reading packed crops: one LMDB file, opened lazily and once per process.

Keys: ``meta`` (JSON: version, geometry, tracks), ``index`` (npz of the arrays over all frames:
``frames``, ``boxes`` and ``fill``, the pad values), ``crop/<track>/<frame>/<kind>`` with a kind of
rgb, tir (JPEG) and mask (PNG). A handle must not cross a fork, so it is opened at the first read in
each process and never pickled.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.pairs import StoreConfig
from rgbt_track.config.yaml_files import parse_json
from rgbt_track.io.image_guard import decode_image
from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.crop_store import StoredCrop, Track

FORMAT_VERSION = 1
META_KEY, INDEX_KEY = b"meta", b"index"


def crop_key(track: int, frame: int, kind: str) -> bytes:
    """The key of one encoded image."""
    return f"crop/{track:06d}/{frame:07d}/{kind}".encode()


class LmdbStore:
    """A ``TrackStore`` over a file that ``pack_lmdb`` wrote.

    Raises ``FileNotFoundError``, and ``ValueError`` in one line for a file that is truncated, no
    LMDB file, incomplete, or of another format version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._handle: tuple[int, Any] = (0, None)
        try:
            self._read_index(parse_json(self._get(META_KEY), "meta"))
        except (KeyError, TypeError, AttributeError, IndexError, BadZipFile, EOFError) as error:
            raise ValueError(
                f"{self.path}: its index is damaged ({type(error).__name__}: {error}); "
                "pack it again"
            ) from None
        except ValueError as error:
            where = "" if str(self.path) in str(error) else f"{self.path}: its index is damaged: "
            raise ValueError(f"{where}{error}") from None

    def _read_index(self, meta: dict[str, Any]) -> None:
        if meta.get("version") != FORMAT_VERSION:
            raise ValueError(
                f"{self.path}: store format {meta.get('version')}, this program reads "
                f"{FORMAT_VERSION}: pack it again"
            )
        self.description_hash: str = meta["description"]
        self.geometry = StoreConfig(**meta["geometry"])
        arrays = np.load(io.BytesIO(self._get(INDEX_KEY)))
        self._pad_values: NDArray[np.uint8] = arrays["fill"]
        self._starts: list[int] = [0, *np.cumsum(meta["lengths"]).tolist()]
        count = len(arrays["frames"])
        shapes = arrays["boxes"].shape, self._pad_values.shape
        if shapes != ((count, 4), (count, 2, 3)) or self._starts[-1] != count:
            raise ValueError(f"its arrays are not of {count} crops")
        if len(meta["lengths"]) != len(meta["tracks"]) or min(meta["lengths"], default=0) < 0:
            raise ValueError(f"{len(meta['lengths'])} lengths of {len(meta['tracks'])} tracks")
        self.tracks = [
            Track(
                name=track["name"],
                frames=arrays["frames"][start:stop],
                boxes=arrays["boxes"][start:stop],
                modalities=tuple(track["modalities"]),
                has_mask=track["has_mask"],
                group=track["group"],
            )
            for track, start, stop in zip(
                meta["tracks"], self._starts, self._starts[1:], strict=False
            )
        ]
        self._numbers: list[int] = [track["number"] for track in meta["tracks"]]

    def read(self, track: int, position: int) -> StoredCrop:
        """Decode one crop; ``ValueError`` names the file if it is damaged."""
        info = self.tracks[track]
        number, frame = self._numbers[track], int(info.frames[position])
        row = self._starts[track] + position
        images, pad_values = {}, {}
        for index, name in enumerate(MODALITIES):
            if name in info.modalities:
                images[name] = self._image(crop_key(number, frame, name))
                pad_values[name] = self._pad_values[row, index]
        mask = None
        if info.has_mask:
            mask = self._image(crop_key(number, frame, "mask"))[..., 0] >= 128
        return StoredCrop(images, pad_values, mask, info.boxes[position].astype(float))

    def _image(self, key: bytes) -> NDArray[np.uint8]:
        try:
            decoded, _ = decode_image(self._get(key), cv2.IMREAD_UNCHANGED)
        except ValueError as error:
            raise ValueError(f"{self.path}: {key.decode()}: {error}; pack it again") from None
        if decoded.dtype != np.uint8:
            raise ValueError(f"{self.path}: {key.decode()} is not of 8 bits; pack it again")
        image = np.asarray(decoded, np.uint8)
        if image.ndim == 2:
            return image[..., None]
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _get(self, key: bytes) -> bytes:
        process, environment = self._handle
        if process != os.getpid():
            environment = shared_environment(self.path)
            self._handle = (os.getpid(), environment)
        import lmdb

        try:
            with environment.begin() as transaction:
                value: bytes | None = transaction.get(key)
        except lmdb.Error as error:
            raise ValueError(f"{self.path}: damaged: {error}; pack it again") from None
        if value is None:
            raise ValueError(
                f"{self.path}: lacks {key.decode()}: not a complete store; pack it again"
            )
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": (0, None)}


_environments: dict[tuple[str, int, int], tuple[int, Any]] = {}


def shared_environment(path: Path) -> Any:
    """This process's handle of a file: LMDB allows to open it once, however many stores read it.

    One inherited over a fork is closed and opened anew.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such store: {path}; make it with rgbt-track data lmdb")
    status = path.stat()
    key = (str(path.resolve()), status.st_ino, status.st_mtime_ns)
    process, environment = _environments.get(key, (0, None))
    if environment is None or process != os.getpid():
        if environment is not None:
            environment.close()
        environment = open_environment(path)
        _environments[key] = (os.getpid(), environment)
    return environment


def open_environment(path: Path) -> Any:
    """Open an LMDB file for reading without locks, after a check that it is complete.

    A missing page would kill the process at its first read.
    """
    import lmdb

    try:
        environment = lmdb.open(
            str(path), subdir=False, readonly=True, lock=False, readahead=False, max_spare_txns=4
        )
    except lmdb.Error as error:
        raise ValueError(f"{path}: not a readable LMDB file: {error}") from None
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if path.stat().st_size < needed:
        environment.close()
        raise ValueError(
            f"{path}: truncated: {path.stat().st_size} bytes of {needed}; copy or pack it again"
        )
    return environment
