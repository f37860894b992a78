"""`serve --only web`: by the same rules as a receiver."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser import PATIENCE_S
from tests.functional.helpers import environment, syscard

IMPATIENT = """
import runpy, sys
from syscard_web import server
server.HEADER_S, server.CONNECTIONS = 0.5, 20
sys.argv = ["syscard", "--home", sys.argv[1], "serve", "--only", "web", "--port", "0"]
runpy.run_module("syscard_tui", run_name="__main__")
"""


def status(port: int) -> int | None:
    """Of `/healthz`; None where the connection is closed without an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_who_sends_half_a_request_keeps_nobody_from_reading(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as said, ExitStack() as stack:
        command = [sys.executable, "-c", IMPATIENT, str(tmp_path / "home")]
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment())
        stack.callback(process.wait)
        stack.callback(process.kill)
        until = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"127\.0\.0\.1:(\d+)/", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        port = int(found[1])
        halves = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(20)]
        for half in halves:
            half.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
        closed = [half.recv(1) for half in halves]
        assert closed == [b""] * 20
        assert status(port) == 200
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--only", "web", "--host", "0.0.0.0"), "can be reached by others: give a token in SYSCARD_TOKEN"),
        (("--only", "web", "--tls-cert", "x.pem"), "TLS needs both --tls-cert and --tls-key"),
        (("--only", "web", "--port", "70000"), "cannot listen on 127.0.0.1 port 70000"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    monkeypatch.delenv("SYSCARD_TOKEN", raising=False)
    ran = syscard("--home", tmp_path / "home", "serve", *options)
    assert ran.code == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_an_address_that_others_reach_needs_tls_beside_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCARD_TOKEN", "a-token")
    ran = syscard("--home", tmp_path / "home", "serve", "--only", "web", "--host", "0.0.0.0")
    assert (ran.code, "who could read the token on the way" in ran.err) == (2, True)
