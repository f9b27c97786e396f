"""Packing a data set into one LMDB file: parallel, resumable, and complete or not there at all.

Crops are cut and encoded by worker processes; the parent alone writes, one transaction per chunk
of frames, into ``OUT.part``. An interrupted packing goes on behind the last committed chunk. Only
a complete store is renamed to its final name. Maps are grown as they fill up, since a large map
would be a large file on Windows.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path

import numpy as np

from rgbt_track.config.pairs import StoreConfig
from rgbt_track.data.sequence import Sequence
from rgbt_track.pairs.crop_store import Track, track_of
from rgbt_track.pairs.lmdb_encode import Chunk, Encoded, chunks_of, encoded_chunks
from rgbt_track.pairs.lmdb_store import FORMAT_VERSION, INDEX_KEY, META_KEY

_FIRST_MAP = 1 << 28
_JOB_KEY = b"job"
Report = Callable[[int, int], None]


def pack_lmdb(
    sequences: Iterable[Sequence],
    out: str | Path,
    geometry: StoreConfig,
    *,
    workers: int = 0,
    every: int = 1,
    report: Report | None = None,
) -> Path:
    """Pack the labelled frames of sequences into ``out``.

    ``workers`` processes cut and encode (0: in this one); ``report(done, total)`` is called with
    numbers of frames. Raises ``FileExistsError`` if ``out`` is there, ``ValueError`` when there is
    nothing to pack or ``OUT.part`` is of another job, and ``OSError`` when the disk is full; what
    was written until then stays for the next attempt.
    """
    out = Path(out)
    if out.exists():
        raise FileExistsError(f"{out} exists; remove it or choose another name")
    tracks = [(sequence, track_of(sequence, geometry, every)) for sequence in sequences]
    tracks = [(sequence, track) for sequence, track in tracks if len(track)]
    if not tracks:
        raise ValueError("no sequence has a labelled target: nothing to pack")
    job = job_hash([track for _, track in tracks], geometry)
    chunks = list(chunks_of(tracks, geometry))
    with _Writer(out, job) as writer:
        _encode_missing(chunks, writer, workers, report)
        writer.finish([track for _, track in tracks], geometry, chunks)
    return out


def job_hash(tracks: Series[Track], geometry: StoreConfig) -> str:
    """Identifies what is packed and how: names, frames, boxes and geometry."""
    digest = hashlib.sha256(json.dumps([FORMAT_VERSION, asdict(geometry)]).encode())
    for track in tracks:
        digest.update(f"{track.name} {track.modalities} {track.has_mask}".encode())
        digest.update(np.ascontiguousarray(track.frames, np.int64).tobytes())
        digest.update(np.ascontiguousarray(track.boxes, np.float64).tobytes())
    return digest.hexdigest()


def _encode_missing(
    chunks: Series[Chunk], writer: _Writer, workers: int, report: Report | None
) -> None:
    total = sum(len(chunk.frames) for chunk in chunks)
    missing = [chunk for chunk in chunks if not writer.has(chunk)]
    done = total - sum(len(chunk.frames) for chunk in missing)
    for chunk, encoded in encoded_chunks(missing, workers):
        writer.write(chunk, encoded)
        done += len(chunk.frames)
        if report:
            report(done, total)


class _Writer:
    """The file under its temporary name; ``finish`` gives it its own."""

    def __init__(self, out: Path, job: str):
        import lmdb

        self.out = out
        self.part = out.with_name(out.name + ".part")
        self.job = job
        out.parent.mkdir(parents=True, exist_ok=True)
        size = max(_FIRST_MAP, self.part.stat().st_size * 2 if self.part.is_file() else 0)
        try:
            self._environment = lmdb.open(str(self.part), subdir=False, map_size=size)
        except lmdb.Error as error:
            raise OSError(f"{self.part}: {error}; remove it to start again") from None

    def __enter__(self) -> _Writer:
        known = self._get(_JOB_KEY)
        if known is None:
            self._put({_JOB_KEY: self.job.encode()})
        elif known.decode() != self.job:
            self._environment.close()
            raise ValueError(f"{self.part}: left by another packing job; remove it and try again")
        return self

    def __exit__(self, *_: object) -> None:
        self._environment.close()

    def has(self, chunk: Chunk) -> bool:
        return self._get(chunk.key) is not None

    def write(self, chunk: Chunk, encoded: Encoded) -> None:
        values, fills = encoded
        self._put({**values, chunk.key: fills.tobytes()})

    def finish(self, tracks: Series[Track], geometry: StoreConfig, chunks: Series[Chunk]) -> None:
        fills = b"".join(self._get(chunk.key) or b"" for chunk in chunks)
        index = io.BytesIO()
        np.savez(
            index,
            frames=np.concatenate([track.frames for track in tracks]),
            boxes=np.concatenate([track.boxes for track in tracks]),
            fill=np.frombuffer(fills, np.uint8).reshape(-1, 2, 3),
        )
        meta = {
            "version": FORMAT_VERSION,
            "description": self.job,
            "geometry": asdict(geometry),
            "lengths": [len(track) for track in tracks],
            "tracks": [
                {
                    "number": number,
                    "name": track.name,
                    "modalities": track.modalities,
                    "has_mask": track.has_mask,
                    "group": track.group,
                }
                for number, track in enumerate(tracks)
            ],
        }
        self._put({INDEX_KEY: index.getvalue(), META_KEY: json.dumps(meta).encode()})
        self._environment.sync(True)
        self._environment.close()
        os.replace(self.part, self.out)
        self.part.with_name(self.part.name + "-lock").unlink(missing_ok=True)

    def _get(self, key: bytes) -> bytes | None:
        with self._environment.begin() as transaction:
            value: bytes | None = transaction.get(key)
        return value

    def _put(self, values: dict[bytes, bytes]) -> None:
        """All values in one transaction, in a map that is made large enough."""
        import lmdb

        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in values.items():
                        transaction.put(key, value)
                return
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except (lmdb.DiskError, lmdb.Error) as error:
                raise OSError(
                    f"{self.part}: cannot write: {error}; free some space and run the command "
                    "again: it goes on where it stopped"
                ) from None
