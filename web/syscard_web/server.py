"""The site by itself: `serve --only web`, for a home whose spans another process takes."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from syscard.clock import Clock
from syscard.errors import MissingExtra
from syscard_web.app import Web, alone

try:
    import uvicorn
except ImportError as error:
    raise MissingExtra("server", "the web page") from error


def serve(
    records: Path,
    listener: socket.socket,
    *,
    token: str | None,
    clock: Clock,
    cert: Path | None = None,
    key: Path | None = None,
    on_ready: Callable[[], None],
) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        records: of the home.
        listener: a bound socket.
        token: what readers must have; None where only this machine can reach the port.
        clock: by which pages are drawn.
        cert: file of the certificate of TLS.
        key: file of its key; both or neither.
        on_ready: called once the port is served.
    """
    config = uvicorn.Config(
        alone(Web(records, token, clock)),
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=200,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        server_header=False,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    on_ready()  # the socket listens already: what comes now waits until it is taken
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn raises a caught signal again after the shutdown, which would end the process before `serve` returns."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT; in a thread that is not the main one, leave signals alone."""
        try:
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
