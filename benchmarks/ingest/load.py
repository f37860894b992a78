"""Senders: as fast as answers come (closed loop), or so many requests a second whatever comes back (open loop)."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")
CLIENTS: Final = 4
_PACED_CLIENTS: Final = 32
_TIMEOUT_S: Final = 120.0
_IDLE_S: Final = 2.0
"""Servers hang up on a connection that was idle for longer (uvicorn: 5 s): a request would meet that half way."""
_PAUSE_S: Final = 0.25
"""After a 503 in the closed loop."""


class Door(NamedTuple):
    """Where a server takes spans."""

    port: int
    headers: Mapping[str, str]


class Sent(NamedTuple):
    """One request: when it was due, when it was answered (seconds), and how (0: not at all)."""

    due: float
    answered: float
    status: int


class Connection:
    """One connection that is kept, and made again when it broke."""

    def __init__(self, door: Door, kind: str) -> None:
        self._door = door
        self._headers = {**door.headers, "content-type": kind}
        self._http = http.client.HTTPConnection("127.0.0.1", door.port, timeout=_TIMEOUT_S)
        self._used = 0.0

    def post(self, body: bytes, due: float | None = None) -> Sent:
        """Send and wait for the answer."""
        due = time.monotonic() if due is None else due
        if time.monotonic() - self._used > _IDLE_S:
            self._http.close()  # it opens by itself
        try:
            self._http.request("POST", "/v1/traces", body, self._headers)
            answer = self._http.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            self._http.close()
            status = 0
        self._used = time.monotonic()
        return Sent(due, self._used, status)

    def close(self) -> None:
        """Hang up."""
        self._http.close()


def closed(door: Door, kind: str, bodies: Sequence[bytes], clients: int = CLIENTS) -> list[Sent]:
    """Each client sends its next body when its last one was answered, and a refused one again after a pause."""
    left = iter(bodies)
    lock = threading.Lock()

    def client() -> list[Sent]:
        with _connection(door, kind) as connection:
            return [_insisted(connection, body) for body in _shared(left, lock)]

    with ThreadPoolExecutor(clients) as pool:
        return [sent for future in [pool.submit(client) for _ in range(clients)] for sent in future.result()]


def paced(door: Door, kind: str, bodies: Sequence[bytes], per_second: float) -> list[Sent]:
    """Each body has its moment; time spent in a queue before it is sent counts as waiting for the answer."""
    begin = time.monotonic() + 0.1
    left = ((begin + i / per_second, body) for i, body in enumerate(bodies))
    lock = threading.Lock()

    def client() -> list[Sent]:
        with _connection(door, kind) as connection:
            found = []
            for due, body in _shared(left, lock):
                time.sleep(max(due - time.monotonic(), 0))
                found.append(connection.post(body, due))
            return found

    with ThreadPoolExecutor(_PACED_CLIENTS) as pool:
        return [sent for future in [pool.submit(client) for _ in range(_PACED_CLIENTS)] for sent in future.result()]


def flood(door: Door, kind: str, body: Callable[[], bytes], clients: int, until: threading.Event) -> list[int]:
    """Statuses of what many clients sent, none of which waits after a refusal."""

    def client() -> list[int]:
        with _connection(door, kind) as connection:
            return [connection.post(body()).status for _ in iter(until.is_set, True)]  # noqa: FBT003

    with ThreadPoolExecutor(clients) as pool:
        return [status for future in [pool.submit(client) for _ in range(clients)] for status in future.result()]


def percentiles_ms(sent: Sequence[Sent]) -> tuple[float, float]:
    """Median and 99th percentile of the time to an answer."""
    times = sorted(1000 * (each.answered - each.due) for each in sent)
    return statistics.median(times), times[min(int(0.99 * len(times)), len(times) - 1)]


def _insisted(connection: Connection, body: bytes) -> Sent:
    sent = connection.post(body)
    while sent.status == 503:
        time.sleep(_PAUSE_S)
        sent = connection.post(body, sent.due)
    return sent


@contextmanager
def _connection(door: Door, kind: str) -> Iterator[Connection]:
    connection = Connection(door, kind)
    try:
        yield connection
    finally:
        connection.close()


def _shared(left: Iterator[T], lock: threading.Lock) -> Iterator[T]:
    """The rest of an iterator that several threads draw from."""
    while True:
        with lock:
            found = next(left, None)
        if found is None:
            return
        yield found
