"""How many connections the door of HTTP holds, and how long one may take over a header. Nothing of it needs a token."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from typing import Any, Final

MOST: Final = 1000
"""Connections, where the process may open files enough."""
HEADER_S: Final = 10.0
"""Seconds until the header of a request is there, from the connection or from its first byte on a kept one."""
_SAY_EVERY_S: Final = 60.0
_log = logging.getLogger("syscard.tracing")


def most_connections() -> int:
    """At most half the files that the process may open: the lake, the inbox and gRPC need the others."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else max(1, min(MOST, files // 2))


class BoundedListener(socket.socket):
    """Closes at once what comes beyond the bound: before TLS, so that half a handshake counts as well."""

    def __init__(self, listener: socket.socket, most: int) -> None:
        """Take a listening socket over; the one that is given holds nothing afterwards."""
        super().__init__(fileno=listener.detach())
        self._most = most
        self._open: list[socket.socket] = []
        self._refused = 0
        self._said = -_SAY_EVERY_S

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            ConnectionAbortedError: it is one too many, and closed; an event loop goes on with the next.
        """
        connection, address = super().accept()
        if len(self._open) >= self._most:
            self._open = [held for held in self._open if held.fileno() >= 0]
        if len(self._open) >= self._most:
            connection.close()
            self._say()
            raise ConnectionAbortedError
        self._open.append(connection)
        return connection, address

    def _say(self) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY_S:
            _log.warning("%d connections are open, no more are taken: refused %d", self._most, self._refused)
            self._said, self._refused = now, 0


class HeaderDeadline(asyncio.Protocol):
    """Goes before a protocol of uvicorn: closes a connection whose next header is not complete in time."""

    cycle: Any
    """uvicorn's request that was read last, None before the first."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first header is waited for."""
        super().connection_made(transport)
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(HEADER_S, self._close_if_waiting)

    def data_received(self, data: bytes) -> None:
        """A part of a header, the last of one, or a part of a body."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None:  # uvicorn's own limit ended with the first byte
            self._deadline = asyncio.get_running_loop().call_later(HEADER_S, self._close_if_waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._stop()
        super().connection_lost(exc)

    def _close_if_waiting(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self._transport.close()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
