"""What goes wrong around a receiver: kill -9 under load, a slow disk, gzip bombs. Nothing acknowledged is lost.

Long enough to be left out of `make test`; CI runs it.
"""

from __future__ import annotations

import http.client
import random
import signal
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import requests

from syscard.home import Home
from syscard_tracing.doctor import check
from syscard_tracing.inbox import Inbox
from syscard_tracing.intake import TURNS
from syscard_tracing.lake import Lake
from syscard_tracing.roller import roll_all
from tests.tracing.test_grpc import dial
from tests.tracing.test_receiver import JSON, finish, peak_kib, post

pytestmark = pytest.mark.endurance
KILLS = 20


class Sender(threading.Thread):
    """An exporter: sends what has no answer yet again and again, and knows what was acknowledged."""

    def __init__(self, numbers: range, line_of: Callable[..., bytes]) -> None:
        super().__init__(daemon=True)
        self._numbers = numbers
        self._line_of = line_of
        self.port: int | None = None
        self.acknowledged: list[int] = []
        self.sent_again = 0
        self.stop = False

    def run(self) -> None:
        for number in self._numbers:
            while not self.stop and not self._sent(number):
                self.sent_again += 1
                time.sleep(0.005)
            if self.stop:
                return
            self.acknowledged.append(number)

    def _sent(self, number: int) -> bool:
        if self.port is None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/v1/traces", self._line_of(number), JSON)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def test_twenty_kills_under_load_lose_nothing_that_was_acknowledged_and_double_nothing(
    home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    chance = random.Random(20)
    senders = [Sender(range(first, first + 1_000_000), line_of) for first in (0, 1_000_000, 2_000_000)]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        child, port = children.serve(home, roll_every=0.02)
        wanted = sum(len(s.acknowledged) for s in senders) + chance.randint(1, 12)
        for sender in senders:
            sender.port = port
        while sum(len(s.acknowledged) for s in senders) < wanted:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.06)  # anywhere in a commit, or in a roll
        assert finish(child, signal.SIGKILL)[0] == -signal.SIGKILL
    for sender in senders:
        sender.stop = True
        sender.join(60)
    with Inbox(home.inbox) as inbox:
        assert inbox.integrity() == "ok"
        roll_all(inbox, Lake(home.lake))
    acknowledged = {number for sender in senders for number in sender.acknowledged}
    found = stored()
    assert acknowledged - set(found) == set()
    assert len(found) == len(set(found))
    assert len(acknowledged) >= KILLS
    assert sum(sender.sent_again for sender in senders) > 0
    assert all(finding.ok for finding in check(home))


def send(port: int, body: bytes) -> requests.Response:
    """As exporters send: by a library that reads the answer also where a server hangs up before it has read all."""
    return requests.post(f"http://127.0.0.1:{port}/v1/traces", body, headers=JSON, timeout=60)


def test_while_the_disk_is_slow_the_queue_is_bounded_and_nothing_is_acknowledged_before_its_commit(
    home: Home, children: Any, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    child, port = children.serve(home, roll_every=60, limits={"requests": 24, "wait_s": 0.3})
    padding = {"attributes": [{"key": f"k{n}", "value": {"stringValue": "x" * 60_000}} for n in range(16)]}
    assert post(port, line_of(0, **padding), JSON)[0] == 200
    before = peak_kib(child.pid)
    disk = sqlite3.connect(home.inbox, isolation_level=None)
    disk.execute("begin immediate")  # a disk that does not come back from a commit
    with ThreadPoolExecutor(32) as pool:
        sent = {pool.submit(send, port, line_of(n, **padding)): n for n in range(1, 97)}
        refused: list[requests.Response] = []
        for answer in as_completed(sent):
            refused.append(answer.result())
            if len(refused) == 96 - TURNS:
                break
        assert {answer.status_code for answer in refused} == {503}, (
            "some wait for the disk; the others are told to come again"
        )
        assert all(answer.headers["retry-after"] == "2" for answer in refused)
        assert all("try again" in answer.json()["message"] for answer in refused)
        assert peak_kib(child.pid) - before < 150 * 1024, "24 bodies of a megabyte, and not 96"
        disk.execute("rollback")
        disk.close()
    acknowledged = [n for answer, n in sent.items() if answer.result().status_code == 200]
    assert len(acknowledged) == TURNS
    assert post(port, line_of(200), JSON)[0] == 200
    assert finish(child) == (0, "")
    assert stored() == sorted([0, *acknowledged, 200])


def test_a_gzip_bomb_costs_no_more_than_the_limit(home: Home, children: Any, line_of: Callable[..., bytes]) -> None:
    limit = 8 << 20
    child, port, grpc_port = children.serve_both(home, roll_every=60, limits={"body": limit})
    assert post(port, line_of(0), JSON)[0] == 200
    with dial(grpc_port) as client:
        client.send(b"")
    before = peak_kib(child.pid)
    gzip = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(gzip.compress(bytes(1 << 20)) for _ in range(1024)), gzip.flush()])
    assert (1 << 30) / len(bomb) > 1000
    assert post(port, bomb, {**JSON, "content-encoding": "gzip"})[0] == 413
    with dial(grpc_port, grpc.Compression.Gzip) as client:
        assert client.refused(bytes(256 << 20))[0] == "RESOURCE_EXHAUSTED"
    grown = peak_kib(child.pid) - before
    assert grown < 8 * limit / 1024, f"{grown} KiB for a bomb of a gigabyte"
    assert post(port, line_of(1), JSON)[0] == 200
    assert finish(child) == (0, "")
