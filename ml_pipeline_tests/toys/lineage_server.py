"""An HTTP server that keeps the events that it is sent, or is slow, or refuses them."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class LineageServer:
    """What a server was sent.

    Attributes:
        url: where it is.
        events: what it was sent, in order.
        headers: of each.
        pause_s: how long it takes to answer.
        status: what it answers.
    """

    url: str
    events: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    pause_s: float = 0.0
    status: int = 201


@contextlib.contextmanager
def serving_lineage() -> Iterator[LineageServer]:
    """Start a server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(server.pause_s)
            assert self.path == "/api/v1/lineage"
            server.events.append(json.loads(body))
            server.headers.append(dict(self.headers))
            with contextlib.suppress(OSError):
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_given: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = LineageServer(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
