"""Who has no token and sends half a request takes nobody's place for long, and never the last one."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from syscard.home import Home
from syscard_tracing import connections
from syscard_tracing.connections import BoundedListener, HeaderDeadline, most_connections
from tests.tracing.conftest import SERVER
from tests.tracing.test_tls import made

JSON = {"content-type": "application/json"}
HALF = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n"
WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def listener() -> Iterator[BoundedListener]:
    with BoundedListener(socket.create_server(("127.0.0.1", 0)), 2) as bounded:
        yield bounded


def test_half_the_files_that_may_be_open_are_left_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((256, 128), (1024, 512), (1 << 20, 1000), (resource.RLIM_INFINITY, 1000), (1, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _what, files=files: (files, files))
        assert most_connections() == most


def test_a_connection_too_many_is_closed_at_once_and_told_once_a_minute(
    listener: BoundedListener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "syscard.tracing")
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(5)]
        taken = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
        for client in clients[2:4]:
            with pytest.raises(ConnectionAbortedError):
                listener.accept()
            assert client.recv(1) == b""
        taken[0].close()
        stack.enter_context(listener.accept()[0])
    assert [r.getMessage() for r in caplog.records] == [
        "2 connections to the port of HTTP are open, and that is the most it takes: one more was closed at once. "
        "Let senders share connections, or raise `ulimit -n`"
    ]


async def _app(_scope: object, receive: object, send: object) -> None:
    await asyncio.sleep(0.5)  # longer than a header may take
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


async def _said(protocol: type[asyncio.Protocol], *sent: bytes) -> bytes:
    """All that a server answers until it closes, half a second after each part."""
    door = type("Door", (HeaderDeadline, protocol), {})
    config = uvicorn.Config(_app, http=door, log_config=None, lifespan="off", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        said = b""
        for part in sent:
            writer.write(part)
            if part is WHOLE:
                said += await reader.readuntil(b"\r\n\r\n")
        said += await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return said
    finally:
        server.should_exit = True
        await running


@pytest.mark.parametrize("protocol", [HttpToolsProtocol, H11Protocol])
@pytest.mark.parametrize(("sent", "answers"), [((), 0), ((HALF,), 0), ((WHOLE, HALF), 1), ((WHOLE, WHOLE, HALF), 2)])
def test_who_does_not_finish_a_header_is_closed_and_who_waits_for_an_answer_gets_it(
    protocol: type[asyncio.Protocol], sent: tuple[bytes, ...], answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    assert asyncio.run(_said(protocol, *sent)).count(b" 204 ") == answers


SHORT = """
from syscard_tracing import connections
connections.HEADER_S, connections.MOST = 0.5, 3
"""


@pytest.mark.parametrize("encrypted", [False, True])
def test_serve_closes_who_sends_half_and_answers_others_meanwhile(
    encrypted: bool, home: Home, children: Any, tmp_path: Path, line_of: Callable[..., bytes]
) -> None:
    """Half a header, or nothing at all of a TLS handshake."""
    tls = made(tmp_path) if encrypted else None
    options = {"port": 0, "roll_every": 0.2, "token": "", **({"tls": list(map(str, tls))} if tls else {})}
    child = children.run(SHORT + SERVER, home.root, json.dumps(options))
    port = int(child.stdout.readline().split()[0])
    scheme, context = ("https", ssl.create_default_context(cafile=str(tls.cert))) if tls else ("http", None)
    with ExitStack() as stack:
        half = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(2)]
        for connection in half if not tls else ():
            connection.sendall(HALF)
        asked = urllib.request.Request(f"{scheme}://127.0.0.1:{port}/v1/traces", line_of(), JSON)
        assert urllib.request.urlopen(asked, timeout=10, context=context).status == 200
        more = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(3)]
        assert [connection.recv(1) for connection in (*half, *more)] == [b""] * 5
    child.terminate()
    assert child.wait(60) == 0
    assert "connections to the port of HTTP are open" in child.communicate()[1]
