"""Who has no token and sends half a request takes nobody's place for long, and never the last one."""

from __future__ import annotations

import asyncio
import http.client
import logging
import resource
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from syscard import connections
from syscard.connections import BoundedListener, HeaderDeadline, most_connections
from syscard.home import Home
from tests.tracing.test_receiver import JSON, ended, finish, post
from tests.tracing.test_tls import made

HALF = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n"
WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def test_a_share_of_the_files_that_may_be_open_is_left_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((256, 128), (1024, 512), (1 << 20, 1000), (resource.RLIM_INFINITY, 1000), (1, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _what, files=files: (files, files))
        assert most_connections(1000, 2) == most


async def test_a_connection_too_many_is_closed_at_once_and_told_once_then_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "SAY_EVERY_S", 0.05)
    caplog.set_level(logging.WARNING, "syscard.connections")
    with BoundedListener(socket.create_server(("127.0.0.1", 0)), 2) as listener, ExitStack() as stack:
        port = listener.getsockname()[1]
        clients = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(6)]
        taken = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
        for client in clients[2:5]:
            with pytest.raises(ConnectionAbortedError):
                listener.accept()
            assert client.recv(1) == b""
        taken[0].close()
        stack.enter_context(listener.accept()[0])
        await asyncio.sleep(0.3)
    assert [r.getMessage() for r in caplog.records] == [
        f"port {port}: all 2 connections are taken, so one from 127.0.0.1 was closed; "
        f"see who holds them: ss -tn sport = :{port}",
        f"port {port}: 2 more connections were closed in 0 s",
    ]


async def _app(_scope: object, receive: object, send: object) -> None:
    await asyncio.sleep(0.5)  # longer than a header may take
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


async def _said(protocol: type[asyncio.Protocol], *sent: bytes) -> bytes:
    """All that a server answers until it closes, half a second after each part."""
    door = type("Door", (HeaderDeadline, protocol), {"header_s": 0.2})
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
    protocol: type[asyncio.Protocol], sent: tuple[bytes, ...], answers: int
) -> None:
    assert asyncio.run(_said(protocol, *sent)).count(b" 204 ") == answers


def answered(ask: Callable[[], int]) -> int:
    """The first status, where connections may still be closed for want of a place."""
    for _ in range(100):
        try:
            return ask()
        except OSError:
            time.sleep(0.1)
    pytest.fail("places are held for ten seconds")


def healthy(port: int, trust: ssl.SSLContext) -> int:
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=trust)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status


def half_a_request(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(HALF)
    return connection


def test_a_served_port_closes_what_is_over_its_bound_and_answers_below_it(
    home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    child, port = children.serve(home, limits={"connections": 4, "header_s": 60})
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(half_a_request(port))
        assert post(port, line_of(0), JSON)[0] == 200
        held = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        over = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(8)]
        assert all(ended(connection) for connection in over[1:]), "one may have the place that the answered one had"
    held.close()
    assert answered(lambda: post(port, line_of(1), JSON)[0]) == 200
    code, errors = finish(child)
    assert (code, errors.count("all 4 connections are taken")) == (0, 1)
    assert stored() == [0, 1]


def test_a_served_port_hangs_up_on_half_a_header_and_answers_meanwhile(
    home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    child, port = children.serve(home, limits={"header_s": 1})
    with ExitStack() as stack:
        halves = [stack.enter_context(half_a_request(port)) for _ in range(50)]
        assert post(port, line_of(0), JSON)[0] == 200
        assert all(ended(half) for half in halves)
    assert finish(child) == (0, "")
    assert stored() == [0]


def test_a_served_port_hangs_up_on_half_a_handshake_and_on_who_says_no_goodbye(
    home: Home, children: Any, tmp_path: Path
) -> None:
    tls = made(tmp_path)
    child, port = children.serve(home, token="t", tls=list(tls), limits={"connections": 2, "header_s": 0.5})
    for sent in (b"", b"\x16\x03\x01\x02\x00"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent)
            assert ended(connection)
    trust = ssl.create_default_context(cafile=str(tls.cert))
    with ExitStack() as stack:
        for _ in range(2):  # hands shaken, half a header sent, and then deaf
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            deaf = stack.enter_context(trust.wrap_socket(plain, server_hostname="127.0.0.1"))
            deaf.sendall(HALF)
        assert answered(lambda: healthy(port, trust)) == 200
    assert finish(child)[0] == 0
