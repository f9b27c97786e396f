"""Cutting and encoding the crops of a data set, in this process or in several."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Series
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.pairs import StoreConfig
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.opencv import opencv_threads
from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.crop_store import StoredCrop, Track, cut_crop
from rgbt_track.pairs.lmdb_store import crop_key

CHUNK = 64


@dataclass(frozen=True)
class Chunk:
    """Some frames of one track, the unit of work and of resuming."""

    number: int
    sequence: Sequence
    frames: NDArray[np.int64]
    geometry: StoreConfig

    @property
    def key(self) -> bytes:
        return f"done/{self.number:06d}/{int(self.frames[0]):07d}".encode()


Encoded = tuple[dict[bytes, bytes], NDArray[np.uint8]]


def chunks_of(tracks: Series[tuple[Sequence, Track]], geometry: StoreConfig) -> Iterator[Chunk]:
    """All frames of all tracks, at most ``CHUNK`` at a time."""
    for number, (sequence, track) in enumerate(tracks):
        for start in range(0, len(track), CHUNK):
            yield Chunk(number, sequence, track.frames[start : start + CHUNK], geometry)


def encoded_chunks(chunks: Series[Chunk], workers: int) -> Iterator[tuple[Chunk, Encoded]]:
    """Encoded chunks as they come; only a few wait in memory, however slow the disk is."""
    if workers < 1:
        yield from ((chunk, encode_chunk(chunk)) for chunk in chunks)
        return
    todo = iter(chunks)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: dict[Future[Encoded], Chunk] = {}
        try:
            while True:
                for chunk in todo:
                    running[pool.submit(encode_chunk, chunk)] = chunk
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def encode_chunk(chunk: Chunk) -> Encoded:
    """Cut and encode the frames of a chunk: key -> bytes, and fills (n, 2, 3)."""
    values: dict[bytes, bytes] = {}
    fills = np.zeros((len(chunk.frames), 2, 3), np.uint8)
    with opencv_threads(1):
        for row, frame in enumerate(chunk.frames):
            crop = cut_crop(chunk.sequence, int(frame), chunk.geometry)
            for what, data in _encode(crop, chunk.geometry.quality):
                values[crop_key(chunk.number, int(frame), what)] = data
            for index, name in enumerate(MODALITIES):
                if name in crop.fill:
                    fills[row, index] = crop.fill[name]
    return values, fills


def _encode(crop: StoredCrop, quality: int) -> Iterator[tuple[str, bytes]]:
    for name, image in crop.images.items():
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[2] == 3 else image
        yield name, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    if crop.mask is not None:
        yield "mask", cv2.imencode(".png", crop.mask.astype(np.uint8) * 255)[1].tobytes()
