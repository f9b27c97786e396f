"""Running a tracker over sequences, into result files: resumable, and over several processes.

A sequence is done when its result file has one row per frame, so an interrupted run goes on where
it stopped; files are moved into place whole. Processes are started afresh (``spawn``), each with
its own tracker and an equal share of the processor's threads: several thread pools on one
processor would slow each other down.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rgbt_track.environment import limit_threads
from rgbt_track.evaluation.ground_truth import own_pixels
from rgbt_track.evaluation.result_files import companion, read_boxes
from rgbt_track.evaluation.trackers import AnyTracker, TrackerSource
from rgbt_track.io.box_files import write_boxes
from rgbt_track.io.files import write_text
from rgbt_track.progress import OnProgress, ignore_progress

_POLL_SECONDS = 0.2
_DECIMALS = 4
_process: dict[str, Any] = {}  # what a worker process holds: its tracker, the frame counter


class Footage(Protocol):
    """What the runner needs of a sequence."""

    @property
    def name(self) -> str: ...

    @property
    def boxes(self) -> NDArray[np.floating]: ...

    def __len__(self) -> int: ...

    def frame(self, index: int) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class Job:
    """One sequence to run: where its boxes go, and the first pixel of the data set.

    ``taken`` are the boxes' files of other sequences, whose names times and scores must not have.
    """

    footage: Footage
    path: Path
    first_pixel: int = 0
    taken: Collection[Path] = ()

    @property
    def done(self) -> bool:
        """Whether the result file is there with one row per frame."""
        try:
            return len(read_boxes(self.path)) == len(self.footage)
        except (FileNotFoundError, ValueError):
            return False


class SequenceRun(NamedTuple):
    """What a tracker did on a sequence of N frames.

    Boxes (N, 4) are x, y, w, h from pixel 0, the first one as it was given; scores (N,) are the
    states', ``None`` for a tracker whose states have none; seconds (N,) are of the tracker alone,
    without reading images.
    """

    boxes: NDArray[np.floating]
    scores: NDArray[np.floating] | None
    seconds: NDArray[np.floating]


def run_sequence(
    tracker: AnyTracker, footage: Footage, on_progress: OnProgress = ignore_progress
) -> SequenceRun:
    """Track one sequence; raises ``ValueError`` where the first frame has no box."""
    start = footage.boxes[0]
    if not (np.isfinite(start).all() and (start[2:] > 0).all()):
        raise ValueError(f"{footage.name}: the first frame has no box to start from")
    boxes, state = np.empty((len(footage), 4)), None
    scores, seconds = np.empty(len(footage)), np.empty(len(footage))
    for index in range(len(footage)):
        rgb, tir = footage.frame(index)
        began = time.perf_counter()
        if index == 0:
            state = tracker.init(rgb, tir, start)
        else:
            state = tracker.update(rgb, tir, state)
        boxes[index] = start if index == 0 else state.box
        seconds[index] = time.perf_counter() - began
        scores[index] = getattr(state, "score", np.nan)
        on_progress(index + 1, len(footage))
    return SequenceRun(boxes, None if np.isnan(scores).any() else scores, seconds)


def run_job(tracker: AnyTracker, job: Job, on_progress: OnProgress = ignore_progress) -> None:
    """Track one sequence and write ``NAME_time.txt``, ``NAME_score.txt`` and, last, ``NAME.txt``.

    There is no file of scores for a tracker that has none.
    """
    run = run_sequence(tracker, job.footage, on_progress)
    job.path.parent.mkdir(parents=True, exist_ok=True)
    _write_values(companion(job.path, "time", job.taken), run.seconds)
    if run.scores is not None:
        _write_values(companion(job.path, "score", job.taken), run.scores)
    write_boxes(job.path, own_pixels(run.boxes, job.first_pixel), decimals=_DECIMALS)


def _write_values(path: Path, values: NDArray[np.floating]) -> None:
    write_text(path, "".join(f"{value:.6f}\n" for value in values))


def run_jobs(
    source: TrackerSource,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    devices: Sequence[str] = ("cpu",),
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Run every job that is not done, over ``workers`` processes that take turns at ``devices``.

    ``on_progress`` is told numbers of frames. Raises ``ValueError`` after the other sequences have
    run, naming those that could not be.
    """
    taken = frozenset(job.path for job in jobs)
    jobs = [replace(job, taken=taken) for job in jobs if not job.done]
    if not jobs:
        return
    longest_first = sorted(jobs, key=lambda job: -len(job.footage))
    if workers <= 1:
        failures = _run_here(source.load(devices[0]), longest_first, on_progress)
    else:
        failures = _run_apart(source, longest_first, min(workers, len(jobs)), devices, on_progress)
    if failures:
        raise ValueError(
            f"{len(failures)} of {len(jobs)} sequences failed, the others are kept; first: "
            f"{failures[0]}"
        )


def _run_here(tracker: AnyTracker, jobs: Sequence[Job], on_progress: OnProgress) -> list[str]:
    failures, before, total = [], 0, sum(len(job.footage) for job in jobs)
    for job in jobs:
        try:
            run_job(tracker, job, _counted_from(before, total, on_progress))
        except (ValueError, OSError, RuntimeError) as error:
            failures.append(f"{job.footage.name}: {error}")
        before += len(job.footage)
    return failures


def _counted_from(before: int, total: int, on_progress: OnProgress) -> OnProgress:
    return lambda done, _: on_progress(before + done, total)


def _run_apart(
    source: TrackerSource,
    jobs: Sequence[Job],
    workers: int,
    devices: Sequence[str],
    on_progress: OnProgress,
) -> list[str]:
    context = multiprocessing.get_context("spawn")
    counter, stop, turns = context.Value("q", 0), context.Event(), context.Queue()
    for turn in range(workers):
        turns.put(devices[turn % len(devices)])
    threads = max((os.cpu_count() or 1) // workers, 1)
    starting = (source, turns, threads, counter, stop)
    with ProcessPoolExecutor(workers, context, _start_process, starting) as pool:
        futures = {pool.submit(_run_in_process, job): job for job in jobs}
        try:
            return _watch(futures, counter, on_progress)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _watch(futures: dict[Future[None], Job], counter: Any, on_progress: OnProgress) -> list[str]:
    failures, pending = [], set(futures)
    total = sum(len(job.footage) for job in futures.values())
    while pending:
        finished, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
        on_progress(counter.value, total)
        for future in finished:
            error = future.exception()
            if isinstance(error, (ValueError, OSError, RuntimeError)):
                failures.append(f"{futures[future].footage.name}: {error}")
            elif error is not None:
                raise error
    return failures


def _start_process(
    source: TrackerSource, turns: Any, threads: int, counter: Any, stop: Any
) -> None:
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process hears it, and says stop
    limit_threads(threads)
    cv2.setNumThreads(threads)
    _process.update(source=source, device=turns.get(), threads=threads, counter=counter, stop=stop)


def _run_in_process(job: Job) -> None:
    # The tracker is made in the first job, where what goes wrong with it can be reported.
    if "tracker" not in _process:
        _process["tracker"] = _process["source"].load(_process["device"])
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(_process["threads"])
    counter, stop = _process["counter"], _process["stop"]

    def count_frame(done: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError("stopped")
        with counter.get_lock():
            counter.value += 1

    run_job(_process["tracker"], job, count_frame)
