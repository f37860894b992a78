"""The site by itself: `serve --only web`, for a home whose spans another process takes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from syscard.clock import Clock
from syscard.collector import spare_the_collector
from syscard.errors import MissingExtra
from syscard.stopping import stopped_by_signals
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
    spare_the_collector()
    on_ready()  # the socket listens already: what comes now waits until it is taken
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As we stop."""
        with stopped_by_signals(self.handle_exit):
            yield
