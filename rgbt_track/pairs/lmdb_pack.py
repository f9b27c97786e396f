"""Packing a data set into one LMDB file: parallel, resumable, whole or not at all.

Crops are cut and encoded by worker processes; the parent alone writes, one transaction per chunk
of frames, into ``OUT.part``. An interrupted packing resumes after the last committed chunk. Only a
complete store is renamed to its final name. Maps are grown as they fill up, since a large map would
be a large file on Windows.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path

import lmdb
import numpy as np

from rgbt_track.config.pairs import StoreConfig
from rgbt_track.data.sequence import Sequence
from rgbt_track.pairs.crop_store import Track, make_track
from rgbt_track.pairs.lmdb_encode import Chunk, Encoded, encode_chunks, split_chunks
from rgbt_track.pairs.lmdb_store import FORMAT_VERSION, INDEX_KEY, META_KEY
from rgbt_track.progress import OnProgress, ignore_progress

_FIRST_MAP_SIZE = 1 << 28  # bytes
_JOB_KEY = b"job"


def pack_lmdb(
    sequences: Iterable[Sequence],
    out: str | Path,
    geometry: StoreConfig,
    *,
    workers: int = 0,
    every: int = 1,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Pack the labelled frames of sequences into ``out``.

    After an error, what was written stays in ``OUT.part`` for the next attempt.

    Args:
        sequences: what to pack; those without a usable label are left out.
        out: the file to write.
        geometry: how crops are cut and compressed.
        workers: processes that cut and encode; 0: this one.
        every: take each N-th labelled frame only.
        on_progress: called after each chunk with the number of finished frames and of all.

    Raises:
        FileExistsError: ``out`` exists.
        ValueError: there is nothing to pack, or ``OUT.part`` is of another packing job.
        OSError: the disk is full.
    """
    out = Path(out)
    if out.exists():
        raise FileExistsError(f"{out} exists; remove it or choose another name")
    pairs = [(sequence, make_track(sequence, geometry, every)) for sequence in sequences]
    pairs = [(sequence, track) for sequence, track in pairs if len(track)]
    if not pairs:
        raise ValueError("no sequence has a labelled target: nothing to pack")
    tracks = [track for _, track in pairs]
    chunks = list(split_chunks(pairs, geometry))
    with LmdbWriter(out, job_hash(tracks, geometry)) as writer:
        remaining = [chunk for chunk in chunks if not writer.has(chunk)]
        total = sum(len(chunk.frames) for chunk in chunks)
        done = total - sum(len(chunk.frames) for chunk in remaining)
        for chunk, encoded in encode_chunks(remaining, workers):
            writer.write(chunk, encoded)
            done += len(chunk.frames)
            on_progress(done, total)
        writer.finish(tracks, geometry, chunks)
    return out


def job_hash(tracks: Series[Track], geometry: StoreConfig) -> str:
    """Identifies what is packed and how: names, frames, boxes and geometry."""
    digest = hashlib.sha256(json.dumps([FORMAT_VERSION, asdict(geometry)]).encode())
    for track in tracks:
        digest.update(f"{track.name} {track.modalities} {track.has_mask}".encode())
        digest.update(np.ascontiguousarray(track.frames, np.int64).tobytes())
        digest.update(np.ascontiguousarray(track.boxes, np.float64).tobytes())
    return digest.hexdigest()


class LmdbWriter:
    """A store under its temporary name, ``OUT.part``; ``finish`` renames it to ``out``.

    ``job`` identifies what is packed: a part of another job is refused with ``ValueError``.
    """

    def __init__(self, out: Path, job: str):
        self.out = out
        self.part = out.with_name(out.name + ".part")
        self.job = job
        out.parent.mkdir(parents=True, exist_ok=True)
        size = max(_FIRST_MAP_SIZE, self.part.stat().st_size * 2 if self.part.is_file() else 0)
        try:
            self._environment = lmdb.open(str(self.part), subdir=False, map_size=size)
        except lmdb.Error as error:
            raise OSError(f"{self.part}: {error}; remove it to start again") from None

    def __enter__(self) -> LmdbWriter:
        stored_job = self._get(_JOB_KEY)
        if stored_job is None:
            self._put({_JOB_KEY: self.job.encode()})
        elif stored_job.decode() != self.job:
            self._environment.close()
            raise ValueError(f"{self.part}: left by another packing job; remove it and try again")
        return self

    def __exit__(self, *_: object) -> None:
        self._environment.close()

    def has(self, chunk: Chunk) -> bool:
        """Whether a chunk is complete."""
        return self._get(chunk.key) is not None

    def write(self, chunk: Chunk, encoded: Encoded) -> None:
        """Write the crops of a chunk in one transaction."""
        values, pad_values = encoded
        self._put({**values, chunk.key: pad_values.tobytes()})

    def finish(self, tracks: Series[Track], geometry: StoreConfig, chunks: Series[Chunk]) -> None:
        """Write the index of all chunks and give the file its name."""
        pad_values = b"".join(self._get(chunk.key) or b"" for chunk in chunks)
        index = io.BytesIO()
        np.savez(
            index,
            frames=np.concatenate([track.frames for track in tracks]),
            boxes=np.concatenate([track.boxes for track in tracks]),
            fill=np.frombuffer(pad_values, np.uint8).reshape(-1, 2, 3),
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
        try:
            with self._environment.begin() as transaction:
                value: bytes | None = transaction.get(key)
        except lmdb.Error as error:
            raise OSError(f"{self.part}: damaged: {error}; remove it to start again") from None
        return value

    def _put(self, values: dict[bytes, bytes]) -> None:
        """Write all values in one transaction; the map grows until they fit."""
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
