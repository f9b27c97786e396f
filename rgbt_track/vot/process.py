"""The tracker as a TraX process, ``python -m rgbt_track.vot.process``, which the toolkit starts.

TraX (Čehovin, *TraX: The visual Tracking eXchange protocol and library*, Neurocomputing 2017)
uses this process's standard streams, so nothing else may be written there. The model is loaded
before the handshake, to which no time limit applies. One process serves a whole sequence: every
``initialize`` starts a new target.

Settings come from the environment, as ``env_...`` lines of ``trackers.ini``:
``RGBT_TRACKER`` (a shipped configuration's name or an absolute YAML path), ``RGBT_WEIGHTS`` (an
absolute path, optional), ``RGBT_DEVICE`` (a torch device, ``cpu`` if not given), ``RGBT_ENGINE``
and ``RGBT_PRECISION`` (``auto`` and ``fp32`` if not given).
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rgbt_track.environment import wait_passively
from rgbt_track.processes import watch_parent

if TYPE_CHECKING:
    from rgbt_track.tracking.tracker import Tracker, TrackState

_MAX_LOG = 20_000  # bytes


class SessionFault(RuntimeError):
    """The error that ended the session, in one line of ASCII, as TraX needs it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(_ascii(" ".join(f"{type(cause).__name__}: {cause}".split())))


def main() -> None:
    """Serve until the toolkit sends quit or ends; report an error and exit with status 1."""
    watch_parent()  # which cannot say quit while the model is loaded
    wait_passively()
    trax = _import_trax()
    # The client's parser stops at any byte above 127, in a traceback as well.
    sys.stderr.reconfigure(encoding="ascii", errors="backslashreplace")  # type: ignore[union-attr]
    with quiet_streams():
        tracker, fault = _load()
    server = trax.Server(
        [trax.Region.RECTANGLE],
        [trax.Image.PATH],
        ["color", "ir"],
        tracker_name=_ascii(os.environ.get("RGBT_TRACKER", "rgbt-track")),
    )
    try:
        with server, quiet_streams():
            serve(server, tracker, fault)
    except (SessionFault, trax.TraxException):
        sys.exit(1)


def serve(server: Any, tracker: Tracker | None, fault: Exception | None = None) -> None:
    """Answer every ``initialize`` and ``frame`` of a ``trax.Server`` until ``quit``.

    ``fault`` is the error of loading the tracker. It is raised at the first request, because the
    toolkit shows the reason only in the answer to a request.

    Raises:
        SessionFault: unreadable images, a tracker that fails, or a box that is not finite.
    """
    state: TrackState | None = None
    while (request := server.wait()).type != "quit":
        try:
            if tracker is None:
                raise fault or ValueError("no tracker was loaded")
            state = _answer(tracker, request, state)
            reply = _as_trax(state)
        except Exception as error:
            raise SessionFault(error) from error
        server.status([reply])


@contextlib.contextmanager
def quiet_streams() -> Iterator[None]:
    """Keep output of libraries (prints, warnings, image codecs' messages) off TraX's streams.

    Standard error is redirected by its file descriptor, because codecs write there; of standard
    output only Python's own writes, because TraX needs the descriptor. After an error the last
    lines are written in ASCII, for the toolkit's log.
    """
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        failed = True
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
            if failed:
                # A prefix, so that no line can look like one of the protocol.
                log.seek(max(log.seek(0, os.SEEK_END) - _MAX_LOG, 0))
                for line in log.read().decode("ascii", "backslashreplace").splitlines():
                    print("|", line, file=sys.stderr)
                sys.stderr.flush()


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _import_trax() -> Any:
    try:
        import trax
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'the TraX protocol is not installed: pip install "rgbt-track[vot]"'
        ) from error
    return trax


def _load() -> tuple[Tracker | None, Exception | None]:
    try:
        import numpy as np

        from rgbt_track import load_tracker

        name = os.environ.get("RGBT_TRACKER")
        if not name:
            raise ValueError("trackers.ini does not say which tracker: add env_RGBT_TRACKER = NAME")
        weights = os.environ.get("RGBT_WEIGHTS") or None
        device = os.environ.get("RGBT_DEVICE") or "cpu"
        engine = os.environ.get("RGBT_ENGINE") or "auto"
        precision = os.environ.get("RGBT_PRECISION") or "fp32"
        tracker = load_tracker(name, device, weights, engine=engine, precision=precision)
        # Lazy allocations happen before the handshake, where a real-time run is not timed.
        frame = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
        state = tracker.init(frame, frame, (48.0, 48.0, 32.0, 32.0))
        tracker.update(frame, frame, state)
        return tracker, None
    except Exception as error:
        return None, error


def _answer(tracker: Tracker, request: Any, state: TrackState | None) -> TrackState:
    from rgbt_track.io.images import read_rgb, read_tir

    rgb = read_rgb(request.image["color"].path())
    tir = read_tir(request.image["ir"].path())
    if request.type == "initialize":
        region, _ = request.objects[0]
        return tracker.init(rgb, tir, region.bounds())
    if state is None:
        raise ValueError("a frame was sent before any initialize")
    return tracker.update(rgb, tir, state)


def _as_trax(state: TrackState) -> tuple[Any, dict[str, float]]:
    import numpy as np
    import trax

    box, score = [float(side) for side in state.box], float(state.score)
    if not np.isfinite([*box, score]).all():
        raise ValueError(f"the tracker gave the box {box} with score {score}; both must be finite")
    return trax.Rectangle.create(*box), {"confidence": score}


if __name__ == "__main__":
    main()
