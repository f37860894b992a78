"""The site by itself: `serve --only web`, for a home whose spans another process takes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from syscard.clock import Clock
from syscard.collector import spare_the_collector
from syscard.connections import BoundedListener, HeaderDeadline, TlsDeadline, most_connections
from syscard.errors import MissingExtra
from syscard.stopping import stopped_by_signals
from syscard_web.app import Web, alone

try:
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
except ImportError as error:
    raise MissingExtra("server", "the web page") from error

CONNECTIONS: Final = 200
HEADER_S: Final = 10.0
"""For a whole header, or the handshake of TLS."""


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
        http=type("Connection", (HeaderDeadline, AutoHTTPProtocol), {"header_s": HEADER_S}),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        server_header=False,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    spare_the_collector()
    on_ready()  # the socket listens already: what comes now waits until it is taken
    bounded = BoundedListener(listener, most_connections(CONNECTIONS, 2))
    with bounded, asyncio.Runner(loop_factory=partial(TlsDeadline, HEADER_S)) as runner:
        runner.run(_Server(config).serve(sockets=[bounded]))


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As we stop."""
        with stopped_by_signals(self.handle_exit):
            yield
