"""Running a tracker over sequences, into result files: resumable, and over several processes.

A sequence is done when its result file has one row per frame, so an interrupted run resumes where
it stopped; files are moved into place whole. Processes are started afresh (``spawn``), each with
its own tracker and an equal share of the CPU's threads: several thread pools on one CPU
would slow each other down.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rgbt_track.environment import limit_threads, print_plain_warnings
from rgbt_track.evaluation.ground_truth import shift_origin
from rgbt_track.evaluation.result_files import companion_path, read_boxes
from rgbt_track.evaluation.trackers import AnyTracker, TrackerSource
from rgbt_track.io.box_files import write_boxes
from rgbt_track.io.files import write_text
from rgbt_track.processes import start_heavy_worker
from rgbt_track.progress import OnProgress, ignore_progress

_POLL_SECONDS = 0.2
_DECIMALS = 4
_worker: dict[str, Any] = {}  # state of a worker process: its tracker, the frame counter


class SequenceLike(Protocol):
    """What the runner needs of a sequence."""

    @property
    def name(self) -> str: ...

    @property
    def boxes(self) -> NDArray[np.floating]: ...

    def __len__(self) -> int: ...

    def frame(self, index: int) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class TrackingJob:
    """One sequence to run: the path of its boxes, and the first pixel of the data set.

    ``reserved`` are the box files of all sequences, whose names times and scores must not have.
    """

    sequence: SequenceLike
    path: Path
    first_pixel: int = 0
    reserved: Collection[Path] = ()

    @property
    def done(self) -> bool:
        """Whether the result file is there with one row per frame."""
        try:
            return len(read_boxes(self.path)) == len(self.sequence)
        except (FileNotFoundError, ValueError):
            return False


class SequenceRun(NamedTuple):
    """What a tracker did on a sequence of N frames.

    Boxes (N, 4) are x, y, w, h from pixel 0, the first one as annotated; scores (N,) are those of
    the states, ``None`` for a tracker whose states have none; seconds (N,) are of the tracker
    alone, without reading images.
    """

    boxes: NDArray[np.floating]
    scores: NDArray[np.floating] | None
    seconds: NDArray[np.floating]


def run_sequence(
    tracker: AnyTracker, sequence: SequenceLike, on_progress: OnProgress = ignore_progress
) -> SequenceRun:
    """Track one sequence; raises ``ValueError`` where the first frame has no box."""
    start = sequence.boxes[0]
    if not (np.isfinite(start).all() and (start[2:] > 0).all()):
        raise ValueError(f"{sequence.name}: the first frame has no box to start from")
    boxes, state = np.empty((len(sequence), 4)), None
    scores, seconds = np.empty(len(sequence)), np.empty(len(sequence))
    for index in range(len(sequence)):
        rgb, tir = sequence.frame(index)
        started = time.perf_counter()
        if index == 0:
            state = tracker.init(rgb, tir, start)
        else:
            state = tracker.update(rgb, tir, state)
        boxes[index] = start if index == 0 else state.box
        seconds[index] = time.perf_counter() - started
        scores[index] = getattr(state, "score", np.nan)
        on_progress(index + 1, len(sequence))
    return SequenceRun(boxes, None if np.isnan(scores).any() else scores, seconds)


def run_job(
    tracker: AnyTracker, job: TrackingJob, on_progress: OnProgress = ignore_progress
) -> None:
    """Track one sequence and write ``NAME_time.txt``, ``NAME_score.txt`` and, last, ``NAME.txt``.

    There is no file of scores for a tracker that has none.
    """
    run = run_sequence(tracker, job.sequence, on_progress)
    job.path.parent.mkdir(parents=True, exist_ok=True)
    _write_values(companion_path(job.path, "time", job.reserved), run.seconds)
    if run.scores is not None:
        _write_values(companion_path(job.path, "score", job.reserved), run.scores)
    write_boxes(job.path, shift_origin(run.boxes, job.first_pixel), decimals=_DECIMALS)


def _write_values(path: Path, values: NDArray[np.floating]) -> None:
    write_text(path, "".join(f"{value:.6f}\n" for value in values))


def run_jobs(
    source: TrackerSource,
    jobs: Sequence[TrackingJob],
    *,
    workers: int = 1,
    devices: Sequence[str] = ("cpu",),
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Run every job that is not done, over ``workers`` processes that take turns at ``devices``.

    ``on_progress`` counts frames. Raises ``ValueError`` after the other sequences have
    run, naming those that could not be.
    """
    reserved = frozenset(job.path for job in jobs)
    jobs = [replace(job, reserved=reserved.union(job.reserved)) for job in jobs if not job.done]
    if not jobs:
        return
    longest_first = sorted(jobs, key=lambda job: -len(job.sequence))
    if workers <= 1:
        failures = _run_jobs_inline(source.load(devices[0]), longest_first, on_progress)
    else:
        failures = _run_jobs_in_workers(
            source, longest_first, min(workers, len(jobs)), devices, on_progress
        )
    if failures:
        raise ValueError(
            f"{len(failures)} of {len(jobs)} sequences failed, the others are kept; first: "
            f"{failures[0]}"
        )


def _run_jobs_inline(
    tracker: AnyTracker, jobs: Sequence[TrackingJob], on_progress: OnProgress
) -> list[str]:
    failures, before, total = [], 0, sum(len(job.sequence) for job in jobs)
    for job in jobs:
        try:
            run_job(tracker, job, _offset_progress(before, total, on_progress))
        except Exception as error:  # anybody's tracker may raise anything
            failures.append(_failure(job, error))
        before += len(job.sequence)
    return failures


def _offset_progress(before: int, total: int, on_progress: OnProgress) -> OnProgress:
    return lambda done, _: on_progress(before + done, total)


def _run_jobs_in_workers(
    source: TrackerSource,
    jobs: Sequence[TrackingJob],
    workers: int,
    devices: Sequence[str],
    on_progress: OnProgress,
) -> list[str]:
    context = multiprocessing.get_context("spawn")
    counter, stop, device_queue = context.Value("q", 0), context.Event(), context.Queue()
    for worker in range(workers):
        device_queue.put(devices[worker % len(devices)])
    threads = max((os.cpu_count() or 1) // workers, 1)
    start = pickle.dumps(partial(_start_worker, source, threads))
    worker_arguments = (os.getpid(), start, device_queue, counter, stop)
    with ProcessPoolExecutor(workers, context, start_heavy_worker, worker_arguments) as pool:
        futures = {pool.submit(_run_in_worker, job): job for job in jobs}
        try:
            return _collect_failures(futures, counter, on_progress)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _collect_failures(
    futures: dict[Future[None], TrackingJob], counter: Any, on_progress: OnProgress
) -> list[str]:
    failures, pending = [], set(futures)
    total = sum(len(job.sequence) for job in futures.values())
    while pending:
        finished, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
        on_progress(counter.value, total)
        for future in finished:
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                raise OSError(
                    "a worker process ended at once; was it killed, or is the memory full? The "
                    "sequences that are done are kept"
                )
            if error is not None:
                failures.append(_failure(futures[future], error))
    return failures


def _failure(job: TrackingJob, error: BaseException) -> str:
    kind = "" if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: "
    return f"{job.sequence.name}: {kind}{error}"


def _start_worker(
    source: TrackerSource, threads: int, device_queue: Any, counter: Any, stop: Any
) -> None:
    import cv2

    print_plain_warnings()
    limit_threads(threads)
    cv2.setNumThreads(threads)
    _worker.update(
        source=source, device=device_queue.get(), threads=threads, counter=counter, stop=stop
    )


def _run_in_worker(job: TrackingJob) -> None:
    # The tracker is made in the first job, where its errors can be reported.
    if "tracker" not in _worker:
        _worker["tracker"] = _worker["source"].load(_worker["device"])
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(_worker["threads"])
    counter, stop = _worker["counter"], _worker["stop"]

    def count_frame(done: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError("stopped")
        with counter.get_lock():
            counter.value += 1

    run_job(_worker["tracker"], job, count_frame)
