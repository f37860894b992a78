"""One `serve` per home, and the socket it listens on."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from syscard.errors import UsageError
from syscard.home import Home

LOCK: Final = "serve.lock"
TOKEN: Final = "SYSCARD_TOKEN"  # noqa: S105  (the name of the variable)
TOKEN_FILE: Final = "SYSCARD_TOKEN_FILE"  # noqa: S105


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


class Tls(NamedTuple):
    """Files of a server's certificate (with its chain) and key, both PEM."""

    cert: Path
    key: Path


def check_host(host: str, token: str | None, tls: Tls | None, *, behind_proxy: bool = False) -> None:
    """Others may send only with a token, and only where nobody on the way can read it.

    Raises:
        UsageError: an address that others reach without a token, or without TLS (and no proxy that has it).
    """
    if is_loopback(host):
        return
    if not token:
        raise UsageError(f"host {host} can be reached by others: give a token in {TOKEN}, or listen on 127.0.0.1")
    if tls is None and not behind_proxy:
        raise UsageError(
            f"host {host} can be reached by others, who could read the token on the way: give --tls-cert and "
            "--tls-key; if a proxy in front of this port has TLS, say --insecure-behind-proxy"
        )


def read_token(environ: Mapping[str, str]) -> str | None:
    """The token of the environment: in SYSCARD_TOKEN, or in the file that SYSCARD_TOKEN_FILE names.

    Raises:
        UsageError: both are given, the file cannot be read, or what is there cannot stand in a header.
    """
    token, name = environ.get(TOKEN), environ.get(TOKEN_FILE)
    if not name:
        return _checked(token, TOKEN) if token else None
    if token:
        raise UsageError(f"{TOKEN} and {TOKEN_FILE} are both set: keep one of them")
    try:
        token = Path(name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{TOKEN_FILE}: {_why(name, error)}") from error
    if not token:
        raise UsageError(f"{TOKEN_FILE}: {name} is empty: write a token into it")
    return _checked(token, f"{TOKEN_FILE} {name}")


def _checked(token: str, where: str) -> str:
    # Never with the token in the message.
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(f"{where}: a token has only letters, digits and signs, no blanks")
    return token


def check_tls(cert: Path | None, key: Path | None) -> Tls | None:
    """The certificate and its key, if they are given and fit.

    Raises:
        UsageError: one is missing, cannot be read, is no PEM, is locked by a password, or they do not belong together.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise UsageError("TLS needs both --tls-cert and --tls-key")
    for file in (cert, key):
        try:
            file.read_bytes()
        except OSError as error:
            raise UsageError(_why(str(file), error)) from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, _no_password)
    except _Locked as error:
        raise UsageError(f"{key} is locked by a password: give one that only this user can read") from error
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"{cert} and {key} are not a certificate and its key in PEM: {_reason(error)}") from error
    return Tls(cert, key)


class _Locked(Exception):
    """The key asks for a password."""


def _no_password() -> str:
    raise _Locked


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)


def _why(name: str, error: Exception) -> str:
    return f"{name}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine only."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def address(host: str, port: int) -> str:
    """Host and port as a URL writes them: an IPv6 host stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(host: str, port: int, option: str = "--port") -> socket.socket:
    """A listening socket; port 0 takes any free one. `option` chooses the port.

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
            raise UsageError(f"port {port} on {host} is taken: choose another with {option}") from error
        raise UsageError(f"cannot listen on {host} port {port}: {error}") from error
    return listener


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text("ascii").strip() or "unknown"
    return "unknown"
