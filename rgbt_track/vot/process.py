"""The tracker as a TraX process, ``python -m rgbt_track.vot.process``: what the toolkit runs.

TraX (Čehovin, *TraX: The visual Tracking eXchange protocol and library*, Neurocomputing 2017)
speaks over this process's own standard streams, so nothing else may appear there. The model is
loaded before the hello, where no time limit counts. One process serves a whole sequence: every
``initialize`` starts anew.

Settings come from the environment, as ``env_...`` lines of ``trackers.ini``:
``RGBT_TRACKER`` (a shipped configuration's name or an absolute YAML path), ``RGBT_WEIGHTS`` (an
absolute path, optional) and ``RGBT_DEVICE`` (a torch device, ``cpu`` if not given).
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rgbt_track.environment import wait_passively

if TYPE_CHECKING:
    from rgbt_track.tracking.tracker import Tracker, TrackState

_CHATTER_KEPT = 20_000  # bytes


class SessionFault(RuntimeError):
    """What ended the session, in one line of ASCII that TraX can carry as the reason."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(_ascii(" ".join(f"{type(cause).__name__}: {cause}".split())))


def main() -> None:
    """Serve until the toolkit says quit; after a fault, report it and exit with status 1."""
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

    ``fault`` is what kept the tracker from loading. It is raised at the first request, because
    only as the answer to a request does the toolkit show a reason.

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
    """Keep library chatter (prints, warnings, image codecs' messages) off TraX's streams.

    Standard error is caught by its file descriptor, because codecs write there; of standard
    output only Python's own writes, because TraX needs the descriptor. After a fault the last of
    what was caught is given out in whole lines of ASCII, which the toolkit's log keeps.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        failed = True
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                _give_out(chatter)


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _give_out(chatter: Any) -> None:
    chatter.seek(max(chatter.seek(0, os.SEEK_END) - _CHATTER_KEPT, 0))
    for line in chatter.read().decode("ascii", "backslashreplace").splitlines():
        # A prefix, so that no line can look like one of the protocol's own.
        print("|", line, file=sys.stderr)
    sys.stderr.flush()


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
        from rgbt_track import load_tracker

        name = os.environ.get("RGBT_TRACKER")
        if not name:
            raise ValueError("trackers.ini does not say which tracker: add env_RGBT_TRACKER = NAME")
        weights = os.environ.get("RGBT_WEIGHTS") or None
        device = os.environ.get("RGBT_DEVICE") or "cpu"
        tracker = load_tracker(name, device=device, weights=weights)
        _warm_up(tracker)
        return tracker, None
    except Exception as error:
        return None, error


def _warm_up(tracker: Tracker) -> None:
    """Let every lazy allocation happen before the hello, where a realtime run is not timed."""
    import numpy as np

    frame = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    state = tracker.init(frame, frame, (48.0, 48.0, 32.0, 32.0))
    tracker.update(frame, frame, state)


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
