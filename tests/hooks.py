"""Whoever is told, as a test needs it: a real HTTP server that keeps what it is sent, refuses, or never answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


class Hook:
    """A server on a free port. By path: `/bad...` is refused, `/hang...` is never answered, `/drip...` nearly never."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.ending = threading.Event()
        self.refuses = False
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                hook.got.append(Got(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if self.path.startswith("/hang"):
                    hook.ending.wait(60)
                    return
                if self.path.startswith("/drip"):
                    self.drip()
                    return
                self.send_response(503 if hook.refuses or self.path.startswith("/bad") else 200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST  # noqa: N815  (the server's name for it)

            def drip(self) -> None:
                """A header that goes on and on: no wait for one byte is ever long."""
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx-long: ")
                until = time.monotonic() + 60
                while time.monotonic() < until and not hook.ending.wait(0.2):
                    self.wfile.write(b"x")

            def log_message(self, *args: Any) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:  # whoever sent was ended
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def json(self, path: str = "/hook") -> str:
        """As Apprise writes it."""
        return f"json://127.0.0.1:{self.port}{path}"

    def http(self, path: str = "") -> str:
        """As everybody else does."""
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        """Stop."""
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def titles(self) -> list[str]:
        """Of the messages that came."""
        return [one.document["title"] for one in self.got if one.method == "POST"]


@contextmanager
def hooked() -> Iterator[Hook]:
    """A server while the block runs."""
    hook = Hook()
    try:
        yield hook
    finally:
        hook.close()
