"""A remote OPA server by its Data API: for firms that keep their policies there."""

from __future__ import annotations

import json
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from syscard.digest import digest
from syscard.errors import GateError, UsageError
from syscard.gates.answers import Engine, path_of
from syscard.words import one_line

NAME: Final = "opa"
TOKEN: Final = "SYSCARD_OPA_TOKEN"  # noqa: S105  (a variable's name)
TOKEN_FILE: Final = "SYSCARD_OPA_TOKEN_FILE"  # noqa: S105
TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 8 << 20
_MOST_TOKEN: Final = 64 * 1024
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def read_token(environ: Mapping[str, str]) -> str | None:
    """The bearer token, of the environment or of the file that it names (which a Vault agent may write).

    Raises:
        UsageError: the file cannot be read, or can be by everybody.
    """
    if named := environ.get(TOKEN_FILE):
        return _from_file(Path(named))
    return environ.get(TOKEN, "").strip() or None


def _from_file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise UsageError(f"{TOKEN_FILE}: {path} can be read by everybody: chmod 600 it")
            data = file.read(_MOST_TOKEN)
    except OSError as error:
        raise UsageError(f"{TOKEN_FILE}: {path}: {error.strerror}") from error
    return data.decode("ascii", errors="replace").strip() or None


def opa_engine(url: str, stage: str, token: str | None, timeout_s: float = TIMEOUT_S) -> Engine:
    """An OPA server as an engine; its policy is known by what the server says of its bundles.

    Args:
        url: root of the server, `https://opa.example:8181`.
        stage: whose policy decides.
        token: sent as a bearer token, where there is one.
        timeout_s: seconds that each answer may take.

    Raises:
        UsageError: the address is none, or the token would be sent where everybody can read it.
        GateError: the server cannot be asked.
    """
    root = _root(url, token)

    def ask(path: str, value: Any) -> Any:
        return _post(f"{root}/v1/data/{path}", {"input": value}, token, timeout_s).get("result")

    asked = _post(f"{root}/v1/data/{path_of(stage)}?provenance=true", {"input": {}}, token, timeout_s)
    provenance = asked.get("provenance")
    bundles = provenance.get("bundles") if isinstance(provenance, dict) else None
    return Engine(NAME, digest({"path": path_of(stage), "bundles": bundles or {}}), ask)


def _root(url: str, token: str | None) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError("--opa-url: write the root of the server: https://opa.example:8181")
    if parts.username or parts.password:
        raise UsageError(f"--opa-url: a password stands in it: give a token by {TOKEN} or {TOKEN_FILE}")
    if token and parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise UsageError("--opa-url: the token would go over http for everybody to read: write https://")
    return url.rstrip("/")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token, and what the card says, somewhere else."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _post(url: str, body: Any, token: str | None, timeout_s: float) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310  (checked in _root)
        return _object(_in_time(lambda: _read(request, timeout_s), timeout_s), url)
    except urllib.error.HTTPError as error:
        error.close()
        hint = f": give a token by {TOKEN} or {TOKEN_FILE}" if error.code in (401, 403) else ""
        raise GateError(f"opa: HTTP {error.code} from {_shown(url)}{hint}") from None
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise GateError(f"opa: no answer from {_shown(url)}: {_why(reason)}: no verdict is no yes") from None


def _in_time(read: Callable[[], bytes], timeout_s: float) -> bytes:
    """The answer, all of it in time: a socket's own timeout is of each byte, and a server may send them one by one.

    Raises:
        TimeoutError: it takes longer.
    """
    answer: Future[bytes] = Future()

    def run() -> None:
        try:
            answer.set_result(read())
        except BaseException as error:  # noqa: BLE001  (raised where it is waited for)
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer.result(timeout_s)


def _read(request: urllib.request.Request, timeout_s: float) -> bytes:
    """What a server says, one byte more than may be at most; what goes to this machine goes through no proxy."""
    direct = [urllib.request.ProxyHandler({})] if urlsplit(request.full_url).hostname in _LOCAL else []
    with urllib.request.build_opener(_NoRedirect, *direct).open(request, timeout=timeout_s) as answer:
        return bytes(answer.read(_MOST_BYTES + 1))


def _object(data: bytes, url: str) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        GateError: it is none, is too large, or has what JSON has not: NaN, halves of characters.
    """
    try:
        found = json.loads(data) if len(data) <= _MOST_BYTES else None
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise GateError(f"opa: {_shown(url)} gives no JSON object, or more than {_MOST_BYTES >> 20} MiB")
    return found


def _why(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "none in time"
    return one_line(getattr(reason, "strerror", None) or type(reason).__name__).lower()


def _shown(url: str) -> str:
    return one_line(url.partition("?")[0])
