"""How processes end: workers with their parent, and a program at a signal with its work kept.

Run as a program, ``python -I processes.py PARENT COMMAND ...`` runs a command that ends with the
process PARENT; it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.5


class Stopped(KeyboardInterrupt):
    """SIGTERM, which ends a program as Ctrl-C does: what is done is kept."""


def exit_status(error: KeyboardInterrupt) -> int:
    """The status of a program that a signal has ended, as a shell has it: 130 or 143."""
    return 128 + (signal.SIGTERM if isinstance(error, Stopped) else signal.SIGINT)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Raise ``Stopped`` in the main thread at a SIGTERM while a block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def start_worker(parent: int) -> None:
    """What a worker process does first: it leaves Ctrl-C to its parent, and ends with it.

    ``parent`` is the number of the process that started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(parent)


def start_heavy_worker(parent: int, pickled: bytes, *arguments: Any) -> None:
    """As ``start_worker``; then calls what its parent has pickled with the arguments.

    Its imports, which take seconds, are so made by a process that ends with its parent already.
    """
    start_worker(parent)
    pickle.loads(pickled)(*arguments)


def end_with_parent(parent: int) -> None:
    """Have this process killed when the process ``parent``, which started it, ends in any way.

    Linux does it at once; elsewhere a thread looks every half a second.
    """
    if _ask_kernel():
        if os.getppid() != parent:  # it has ended in the meantime
            os._exit(1)
        return
    _watch_in_thread(parent)


def watch_parent() -> None:
    """Have this process killed when the one that started it ends; noticed within half a second.

    Unlike Linux's own way, which ``end_with_parent`` takes, it lets a process live whose parent
    started it in a thread that has ended.
    """
    _watch_in_thread(os.getppid())


def child_command(command: list[str]) -> list[str]:
    """The command, so that what it starts ends with this process."""
    return [sys.executable, "-I", __file__, str(os.getpid()), *command]


def _ask_kernel() -> bool:
    if sys.platform != "linux":
        return False
    result: int = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return result == 0


def _watch_in_thread(parent: int) -> None:
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _run(parent: int, command: list[str]) -> int:
    """Become the command where the kernel watches, else wait for it and watch the parent."""
    if _ask_kernel():
        if os.getppid() != parent:
            return 1
        os.execv(command[0], command)
    with subprocess.Popen(command) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        while child.poll() is None:
            if os.getppid() != parent:
                child.kill()
            time.sleep(_POLL_SECONDS)
    return child.returncode


if __name__ == "__main__":
    sys.exit(_run(int(sys.argv[1]), sys.argv[2:]))
