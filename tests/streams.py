"""A camera on the network for tests: JPEG frames over HTTP, as IP cameras send them (MJPEG)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PART = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"


@contextmanager
def mjpeg_server(
    folders: dict[str, Path], wait: Callable[[int], None] = lambda index: None
) -> Iterator[str]:
    """Serve the JPEG files of folders as ``http://.../NAME``; ends the stream after the last.

    ``wait(index)`` is called before frame ``index`` (from 0) of any stream is sent.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for index, path in enumerate(sorted(folders[self.path.strip("/")].iterdir())):
                wait(index)
                data = path.read_bytes()
                try:
                    self.wfile.write(_PART % (len(data), data))
                    self.wfile.flush()
                except OSError:
                    return
            self.wfile.write(b"--frame--\r\n")

        def log_message(self, format: str, *values: object) -> None:
            """Nothing: the tests' output stays clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
