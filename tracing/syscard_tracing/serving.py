"""One `serve` per home, and the socket it listens on."""

from __future__ import annotations

import errno
import fcntl
import hmac
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from syscard.errors import UsageError
from syscard.home import Home

LOCK: Final = "serve.lock"


@contextmanager
def only_server(home: Home) -> Iterator[None]:
    """Hold the home's serve lock; the kernel lets go of it when the process ends, however it ends.

    Raises:
        UsageError: another process serves this home.
    """
    path = home.root / LOCK
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"home {home.root} is already served by process {_holder(path)}") from error
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def check_host(host: str, token: str | None) -> None:
    """Only this machine may send without a token.

    Raises:
        UsageError: another host without a token.
    """
    if not token and not is_loopback(host):
        raise UsageError(f"host {host} can be reached by others: give a token, or listen on 127.0.0.1")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine only."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        UsageError: the port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} on {host} is taken: choose another with --port") from error
        raise UsageError(f"cannot listen on {host} port {port}: {error}") from error
    return listener


def authorised(header: str, token: str | None) -> bool:
    """Whether an Authorization header carries the token; compared in constant time."""
    if not token:
        return True
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text("ascii").strip() or "unknown"
    return "unknown"
