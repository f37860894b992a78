"""OTLP over HTTP: protobuf and JSON on one port. A 200 is sent after the spans are on the disk, never before."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, NamedTuple

from syscard.clock import Clock
from syscard.errors import (
    BadSpanData,
    BodyTooLarge,
    InboxFull,
    MissingExtra,
    SyscardError,
    TraceError,
    UnsupportedMedia,
)
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.inflate import LIMIT, inflate, too_large
from syscard_tracing.otlp_proto import reply, status_body
from syscard_tracing.pipeline import Accepted, Pipeline, RollerThread
from syscard_tracing.rules import TraceRules
from syscard_tracing.serving import authorised, bind, check_host, only_server

try:
    import uvicorn
    from anyio import CapacityLimiter, to_thread
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
except ImportError as error:
    raise MissingExtra("server", "syscard serve") from error

PORT: Final = 4318
RETRY_AFTER: Final = "2"
IN_FLIGHT: Final = 4 * LIMIT
"""Bytes of bodies that are being read and decoded at one time."""
THREADS: Final = 8
"""Requests that are decoded and stored at one time."""
_TYPES: Final = {"application/x-protobuf": False, "application/json": True}
_log = logging.getLogger("syscard.tracing")


class _Answer(NamedTuple):
    """HTTP status and gRPC code of one kind of error."""

    status: int
    grpc: int


_ANSWERS: Final[tuple[tuple[type[Exception], _Answer], ...]] = (
    (BodyTooLarge, _Answer(413, 8)),
    (UnsupportedMedia, _Answer(415, 3)),
    (InboxFull, _Answer(503, 14)),
    (BadSpanData, _Answer(400, 3)),
    (TraceError, _Answer(503, 14)),
)


class Receiver:
    """The ASGI application of one home: reads bodies within bounds, answers as OTLP asks."""

    def __init__(
        self, pipeline: Pipeline, health: Callable[[], dict[str, Any]], token: str | None, limit: int = LIMIT
    ) -> None:
        self._pipeline = pipeline
        self._health = health
        self._token = token
        self._limit = limit
        self._in_flight = 0
        self._threads: CapacityLimiter | None = None

    def routes(self) -> list[Route]:
        """`/v1/traces`, `/v1/metrics`, `/v1/logs` and `/healthz`."""
        return [
            Route("/v1/traces", self.traces, methods=["POST"]),
            Route("/v1/metrics", self.not_read, methods=["POST"]),
            Route("/v1/logs", self.not_read, methods=["POST"]),
            Route("/healthz", self.healthz, methods=["GET"]),
        ]

    async def traces(self, request: Request) -> Response:
        """Take spans."""
        as_json = bool(_is_json(request))
        try:
            self._check(request)
            body = await self._body(request)
            try:
                accepted = await self._in_thread(
                    self._accept, body, request.headers.get("content-encoding", ""), as_json
                )
            finally:
                self._in_flight -= len(body)
        except SyscardError as error:
            return _refusal(error, as_json=as_json)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # noqa: BLE001 - the answer must be of OTLP's shape, whatever broke
            _log.exception("a request could not be taken")
            return _refusal(SyscardError("internal error, see the log"), as_json=as_json)
        rejected = sum(accepted.rejected.values())
        return _answer(200, reply(rejected, accepted.message, as_json=as_json), as_json=as_json)

    async def not_read(self, request: Request) -> Response:
        """Metrics and logs: said to be not read, so that the sender does not try again."""
        as_json = bool(_is_json(request))
        signal_name = request.url.path.rpartition("/")[2]
        message = f"syscard reads traces only: {signal_name} are dropped"
        return _answer(200, reply(0, message, as_json=as_json), as_json=as_json)

    async def healthz(self, _request: Request) -> Response:
        """Whether spans are taken and rolled."""
        health = await run_in_threadpool(self._health)
        return JSONResponse(health, 200 if health["ok"] else 503)

    def _check(self, request: Request) -> None:
        if not authorised(request.headers.get("authorization", ""), self._token):
            raise _Unauthorised("a token is needed: send Authorization: Bearer TOKEN")
        if _is_json(request) is None:
            raise UnsupportedMedia("content type must be application/x-protobuf or application/json")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._limit:
            raise too_large(self._limit)

    async def _body(self, request: Request) -> bytes:
        """The body as sent, counted while it arrives; it stays in `_in_flight` until the caller gives it back."""
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                self._in_flight += len(part)
                if len(body) > self._limit:
                    raise too_large(self._limit)
                if self._in_flight > IN_FLIGHT:
                    raise InboxFull("too many requests are being read: try again")
        except BaseException:
            self._in_flight -= len(body)
            raise
        return bytes(body)

    async def _in_thread(self, call: Callable[..., Accepted], *arguments: Any) -> Accepted:
        """Decoding may blow a body up many times: only a few at a time."""
        if self._threads is None:
            self._threads = CapacityLimiter(THREADS)
        return await to_thread.run_sync(call, *arguments, limiter=self._threads)

    def _accept(self, body: bytes, encoding: str, as_json: bool) -> Accepted:
        return self._pipeline.accept(inflate(body, encoding, self._limit), as_json=as_json)


class _Unauthorised(TraceError):
    """No token, or a wrong one."""


def _is_json(request: Request) -> bool | None:
    return _TYPES.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())


def _answer(status: int, body: bytes, *, as_json: bool, headers: dict[str, str] | None = None) -> Response:
    media = "application/json" if as_json else "application/x-protobuf"
    return Response(body, status, headers, media_type=media)


def _refusal(error: SyscardError, *, as_json: bool) -> Response:
    if isinstance(error, _Unauthorised):
        status, grpc = _Answer(401, 16)
    else:
        status, grpc = next((answer for kind, answer in _ANSWERS if isinstance(error, kind)), _Answer(500, 13))
    headers = {"retry-after": RETRY_AFTER} if status == 503 else {}
    # The rest of a refused body is not read: the connection cannot be used again.
    headers |= {"connection": "close"} if status in (401, 413) else {}
    return _answer(status, status_body(grpc, str(error), as_json=as_json), as_json=as_json, headers=headers)


def serve(
    home: Home,
    *,
    host: str,
    port: int,
    token: str | None,
    rules: Callable[[], TraceRules],
    clock: Clock,
    roll_every: float = 2.0,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Take spans until SIGTERM or SIGINT, then roll what is left and return.

    `port` 0 takes any free one; `on_ready` is told the port. `rules` is asked for each request, so that what it returns
    may change. `roll_every` is in seconds.

    Raises:
        UsageError: the port is taken, the home is served already, or a host that others reach has no token.
        TraceError: the inbox is damaged.
        MissingExtra: the server's libraries are not installed.
    """
    check_host(host, token)
    with only_server(home):
        listener = bind(host, port)
        try:
            _run(home, listener, token, rules, clock, roll_every, on_ready)
        finally:
            listener.close()


def _run(
    home: Home,
    listener: Any,
    token: str | None,
    rules: Callable[[], TraceRules],
    clock: Clock,
    roll_every: float,
    on_ready: Callable[[int], None] | None,
) -> None:
    with Inbox(home.inbox, clock=clock) as inbox:
        roller = RollerThread(inbox, home, roll_every)
        receiver = Receiver(Pipeline(home, inbox, rules, clock), lambda: _health(inbox, roller), token)

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            roller.start()
            if on_ready:
                on_ready(listener.getsockname()[1])
            try:
                yield
            finally:
                await asyncio.to_thread(roller.stop)

        app = Starlette(routes=receiver.routes(), lifespan=lifespan)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=10, server_header=False
        )
        asyncio.run(_Server(config).serve(sockets=[listener]))


def _health(inbox: Inbox, roller: RollerThread) -> dict[str, Any]:
    try:
        pending, error = inbox.pending(), roller.last_error
    except TraceError as damaged:
        pending, error = -1, str(damaged)
    return {
        "ok": error is None,
        "pending": pending,
        "error": error,
        "lake_version": roller.last.version if roller.last else None,
    }


class _Server(uvicorn.Server):
    """uvicorn raises a caught signal again after the shutdown, which would end the process before `serve` returns."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT; in a thread that is not the main one, leave signals alone."""
        try:
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
