"""Cutting and encoding the crops of a data set, in this process or in several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Sequence as Series
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbt_track.config.pairs import StoreConfig
from rgbt_track.data.sequence import Sequence
from rgbt_track.io.opencv import opencv_threads
from rgbt_track.modalities import MODALITIES
from rgbt_track.pairs.crop_store import Track, cut_crop
from rgbt_track.pairs.lmdb_store import crop_key
from rgbt_track.processes import start_worker

CHUNK = 64


@dataclass(frozen=True)
class Chunk:
    """Some frames of one track, the unit of work and of resuming.

    Args:
        number: of the track.
        sequence: where the frames are read.
        frames: (n,) frame numbers.
        geometry: how crops are cut.
    """

    number: int
    sequence: Sequence
    frames: NDArray[np.int64]
    geometry: StoreConfig

    @property
    def key(self) -> bytes:
        """The key under which its pad values are stored once it is complete."""
        return f"done/{self.number:06d}/{int(self.frames[0]):07d}".encode()


Encoded = tuple[dict[bytes, bytes], NDArray[np.uint8]]


def split_chunks(tracks: Series[tuple[Sequence, Track]], geometry: StoreConfig) -> Iterator[Chunk]:
    """All frames of all tracks, at most ``CHUNK`` at a time."""
    for number, (sequence, track) in enumerate(tracks):
        for start in range(0, len(track), CHUNK):
            yield Chunk(number, sequence, track.frames[start : start + CHUNK], geometry)


def encode_chunks(chunks: Series[Chunk], workers: int) -> Iterator[tuple[Chunk, Encoded]]:
    """Encode chunks in ``workers`` processes (0: in this one), in the order of their completion.

    Only a few wait in memory, however slow the disk is.
    """
    if workers < 1:
        yield from ((chunk, encode_chunk(chunk)) for chunk in chunks)
        return
    queue = iter(chunks)
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, start_worker, (os.getpid(),)) as pool:
        running: dict[Future[Encoded], Chunk] = {}
        try:
            while True:
                for chunk in queue:
                    running[pool.submit(encode_chunk, chunk)] = chunk
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise OSError(
                "a worker process ended at once; was it killed, or is the memory full? Run the "
                "command again: it goes on where it stopped"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def encode_chunk(chunk: Chunk) -> Encoded:
    """Cut and encode the frames of a chunk: key -> bytes, and pad values (n, 2, 3)."""
    values: dict[bytes, bytes] = {}
    pad_values = np.zeros((len(chunk.frames), 2, 3), np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, chunk.geometry.quality]
    with opencv_threads(1):
        for row, frame in enumerate(chunk.frames.tolist()):
            crop = cut_crop(chunk.sequence, frame, chunk.geometry)
            for name, image in crop.images.items():
                pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[2] == 3 else image
                data = cv2.imencode(".jpg", pixels, quality)[1].tobytes()
                values[crop_key(chunk.number, frame, name)] = data
                pad_values[row, MODALITIES.index(name)] = crop.pad_values[name]
            if crop.mask is not None:
                data = cv2.imencode(".png", crop.mask.astype(np.uint8) * 255)[1].tobytes()
                values[crop_key(chunk.number, frame, "mask")] = data
    return values, pad_values
