"""How many connections a door of HTTP holds, and how long one may take over a header. Nothing of it needs a token.

Standard library only.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from typing import Any, Final

SAY_EVERY_S: Final = 60.0
_log = logging.getLogger("syscard.connections")


def most_connections(wanted: int, share: int) -> int:
    """So many, and at most a `share`-th of the files that the process may open: lake and inbox need some as well."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files // share))


class BoundedListener(socket.socket):
    """Closes at once what comes beyond the bound: before TLS, so that half a handshake counts as well."""

    def __init__(self, listener: socket.socket, most: int) -> None:
        """Take a listening socket over; the one that is given holds nothing afterwards."""
        super().__init__(fileno=listener.detach())
        self._port = self.getsockname()[1]
        self._most = most
        self._open: list[socket.socket] = []
        self._refused = 0
        self._saying: asyncio.TimerHandle | None = None

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
            self._say(address[0])
            raise ConnectionAbortedError
        self._open.append(connection)
        return connection, address

    def _say(self, sender: str) -> None:
        """One line for the first, and after a while one for all that came since."""
        if self._saying is not None:
            self._refused += 1
            return
        _log.warning(
            "port %d: all %d connections are taken, so one from %s was closed; see who holds them: ss -tn sport = :%d",
            *(self._port, self._most, sender, self._port),
        )
        self._later()

    def _say_how_many(self) -> None:
        self._saying = None
        if self._refused:
            refused, self._refused = self._refused, 0
            _log.warning("port %d: %d more connections were closed in %.0f s", self._port, refused, SAY_EVERY_S)
            self._later()

    def _later(self) -> None:
        self._saying = asyncio.get_running_loop().call_later(SAY_EVERY_S, self._say_how_many)


class TlsDeadline(asyncio.SelectorEventLoop):
    """An event loop whose TLS servers wait so long for a handshake, and for a goodbye: uvicorn hands neither on."""

    def __init__(self, tls_s: float) -> None:
        super().__init__()
        self._tls_s = tls_s

    async def create_server(self, *args: Any, ssl: Any = None, **options: Any) -> asyncio.Server:
        """Listen."""
        if ssl is not None:
            options |= {"ssl_handshake_timeout": self._tls_s, "ssl_shutdown_timeout": self._tls_s}
        return await super().create_server(*args, ssl=ssl, **options)


class HeaderDeadline(asyncio.Protocol):
    """Goes before a protocol of uvicorn: closes a connection whose next header is not complete in time."""

    header_s: float
    cycle: Any
    """uvicorn's request that was read last, None before the first."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first header is waited for."""
        super().connection_made(transport)
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(self.header_s, self._close_if_waiting)

    def data_received(self, data: bytes) -> None:
        """A part of a header, the last of one, or a part of a body."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None:  # uvicorn's own limit ended with the first byte
            self._deadline = asyncio.get_running_loop().call_later(self.header_s, self._close_if_waiting)

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
