"""Who has no token and sends half a request takes nobody's place for long, and never the last one."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from syscard_tracing import connections
from syscard_tracing.connections import BoundedListener, HeaderDeadline, most_connections

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
    assert [r.getMessage() for r in caplog.records] == ["2 connections are open, no more are taken: refused 1"]


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
