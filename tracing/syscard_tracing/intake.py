"""What becomes of a request at every door: who may send, how much at one time, and the answer's body."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Final, NamedTuple

from syscard.access import authorised
from syscard.errors import (
    BadSpanData,
    BodyTooLarge,
    InboxFull,
    MissingExtra,
    SyscardError,
    TraceError,
    UnsupportedMedia,
)
from syscard_tracing.inflate import LIMIT, inflate, too_large
from syscard_tracing.otlp_proto import reply
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.signals import Accepted, Signal

TURNS: Final = 16
"""Requests that are being decoded, or whose rows wait for the disk."""
THREADS: Final = 2
"""Requests that are inflated and decoded at one time: that is Python's work, and more threads only get in its way."""
RETRY_AFTER_S: Final = 2


class Limits(NamedTuple):
    """How much one receiver holds, and for how long."""

    body: int = LIMIT
    """Bytes of one request after inflating. At most so many are decoded at one time, whoever sent them."""
    in_flight: int = 2 * LIMIT
    """Bytes of all requests, as they were sent."""
    requests: int = 1024
    """Requests that are being read, wait, or are being stored."""
    wait_s: float = 5.0
    """Seconds that a request waits for its turn. Senders wait 10 s before they give up, and then send again."""
    read_s: float = 30.0
    """Seconds for one body to arrive."""
    reading: int = 8
    """Messages of gRPC that are read at one time."""
    patience_s: float = 1.0
    """Seconds for one of them to arrive while others wait to be read."""
    connections: int = 1000
    """Over HTTP, and as many over gRPC, where the process may open files enough."""
    header_s: float = 10.0
    """Seconds for a handshake of TLS, and then for a header: from the first byte where the connection is a kept one."""
    idle_s: float = 120.0
    """Seconds that a connection of gRPC may bring no request: exporters of metrics send once a minute."""


class Unauthorised(TraceError):
    """No token, or a wrong one."""


class SlowBody(TraceError):
    """A body that did not arrive in time."""


class Answer(NamedTuple):
    """HTTP status and gRPC code of one kind of error."""

    status: int
    grpc: int


_ANSWERS: Final[tuple[tuple[type[Exception], Answer], ...]] = (
    (Unauthorised, Answer(401, 16)),
    (SlowBody, Answer(408, 4)),
    (BodyTooLarge, Answer(413, 8)),
    (UnsupportedMedia, Answer(415, 3)),
    (InboxFull, Answer(503, 14)),
    (MissingExtra, Answer(503, 14)),
    (BadSpanData, Answer(400, 3)),
    (TraceError, Answer(503, 14)),
)


def answer_to(error: SyscardError) -> Answer:
    """How an error is said over HTTP and over gRPC."""
    return next((answer for kind, answer in _ANSWERS if isinstance(error, kind)), Answer(500, 13))


class Place:
    """One request among those in flight: what it holds counts until it leaves."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.held = 0

    def hold(self, size: int) -> None:
        """Count bytes of its body.

        Raises:
            BodyTooLarge: the body is over the limit.
            InboxFull: all bodies together are.
        """
        self.held += size
        self._intake.in_flight += size
        limits = self._intake.limits
        if self.held > limits.body:
            raise too_large(limits.body)
        if self._intake.in_flight > limits.in_flight:
            raise InboxFull("too many bytes are being read: try again")


class Intake:
    """Takes the bodies of one home's requests, whatever door they came through. It belongs to one event loop."""

    def __init__(self, pipeline: Pipeline, token: str | None, limits: Limits = Limits()) -> None:  # noqa: B008
        self.limits = limits
        self.in_flight = 0
        self.requests = 0
        self.counts = Counter[tuple[str, str]]()
        """(`stored` or `refused`, signal) -> spans, of requests that were answered."""
        self._pipeline = pipeline
        self._token = token
        self._turns = asyncio.Semaphore(TURNS)
        self._decoders = asyncio.Semaphore(THREADS)
        self._pool = ThreadPoolExecutor(THREADS, "syscard-intake")
        self._work: set[asyncio.Task[bytes]] = set()
        self._decoding = _Room(limits.body)

    def check(self, authorization: str) -> None:
        """Look at an Authorization header.

        Raises:
            Unauthorised: it does not carry the token.
        """
        if not authorised(authorization, self._token):
            raise Unauthorised("a token is needed: send Authorization: Bearer TOKEN")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A place among the requests in flight.

        Raises:
            InboxFull: all are taken.
        """
        if self.requests >= self.limits.requests:
            raise InboxFull("too many requests are waiting: try again")
        self.requests += 1
        place = Place(self)
        try:
            yield place
        finally:
            self.requests -= 1
            self.in_flight -= place.held

    async def take(self, signal: Signal, body: bytes, encoding: str = "", *, as_json: bool = False) -> bytes:
        """Store what a request brings; the body of the answer. Returns after the commit.

        Raises:
            BodyTooLarge, BadSpanData, UnsupportedMedia: what is wrong with the request.
            InboxFull: its turn does not come, or there is no room; nothing of it is stored.
        """
        await self._turn()
        work = asyncio.create_task(self._stored(signal, body, encoding, as_json))
        self._work.add(work)
        # Behind the work and not behind us: a sender that hangs up does not stop it.
        work.add_done_callback(self._done)
        return await asyncio.shield(work)

    async def _turn(self) -> None:
        """A turn, and a thread with it: nobody waits for either where no clock is looked at."""
        try:
            async with asyncio.timeout(self.limits.wait_s):
                await self._turns.acquire()
                try:
                    await self._decoders.acquire()
                except BaseException:
                    self._turns.release()
                    raise
        except TimeoutError as error:
            raise InboxFull("requests before this one are still read or wait for the disk: try again") from error

    async def close(self) -> None:
        """Wait for what is being decoded or stored."""
        await asyncio.gather(*self._work, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown)

    def _done(self, work: asyncio.Task[bytes]) -> None:
        self._work.discard(work)
        self._turns.release()
        if not work.cancelled():
            work.exception()  # looked at, also where the sender has hung up

    async def _stored(self, signal: Signal, body: bytes, encoding: str, as_json: bool) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            accepted, commit = await loop.run_in_executor(self._pool, self._begin, signal, body, encoding, as_json)
        finally:
            self._decoders.release()
        await asyncio.wrap_future(commit)
        self.counts["stored", signal.value] += accepted.rows
        self.counts["refused", signal.value] += accepted.rejected.total()
        return reply(accepted, as_json=as_json)

    def _begin(self, signal: Signal, body: bytes, encoding: str, as_json: bool) -> tuple[Accepted, Future[None]]:
        plain = inflate(body, encoding, self.limits.body)
        # Decoding blows a body up many times: only so many bytes at a time. They are rows when the disk is waited for.
        with self._decoding.room(len(plain), self.limits.wait_s):
            ready = self._pipeline.read(signal, plain, as_json=as_json)
        del plain
        return ready.accepted, self._pipeline.keep(ready)


class _Room:
    """So many bytes at one time; one that is larger than all comes in alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def room(self, size: int, wait_s: float) -> Iterator[None]:
        """Hold some of it while the block runs; InboxFull when none comes free in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._used or self._used + size <= self._most, wait_s):
                raise InboxFull("requests before this one are still being read: try again")
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
