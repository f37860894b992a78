"""OTLP over HTTP: protobuf and JSON on one port. A 200 is sent after the spans are on the disk, never before."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from syscard.clock import Clock
from syscard.collector import spare_the_collector
from syscard.connections import BoundedListener, HeaderDeadline, TlsDeadline, most_connections
from syscard.errors import InboxFull, MissingExtra, SyscardError, TraceError, UnsupportedMedia, place_of
from syscard.home import Home
from syscard.stopping import stopped_by_signals
from syscard_tracing.encoders import Encoders
from syscard_tracing.housekeeping import Housekeeper
from syscard_tracing.inbox import Inbox
from syscard_tracing.inflate import too_large
from syscard_tracing.intake import RETRY_AFTER_S, Intake, Limits, Place, SlowBody, answer_to
from syscard_tracing.otlp_proto import status_body
from syscard_tracing.pipeline import Pipeline, RollerThread
from syscard_tracing.retention import Keeping
from syscard_tracing.rules import TraceRules
from syscard_tracing.serving import Tls, bind, check_host, only_server
from syscard_tracing.signals import Signal

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
except ImportError as error:
    raise MissingExtra("server", "syscard serve") from error

PORT: Final = 4318
_TYPES: Final = {"application/x-protobuf": False, "application/json": True}
_PATHS: Final = ", ".join(f"/v1/{signal.value}" for signal in Signal)
_NO_DOOR: Final = {
    404: (5, f"nothing is here: send OTLP to {_PATHS}; GET /healthz and /metrics say how it goes"),
    405: (12, f"this method is not taken here: POST OTLP to {_PATHS}, GET /healthz and /metrics"),
}
"""Code of gRPC and message, by HTTP status."""
_log = logging.getLogger("syscard.tracing")


class Ports(NamedTuple):
    """What is listened on."""

    http: int
    grpc: int | None
    """None where gRPC is off."""
    without_grpc: str = ""
    """Why it is off though it was asked for."""


class Page(NamedTuple):
    """What a look at the receiver is answered with."""

    text: bytes
    media_type: str


class Beside(Protocol):
    """What is served on the same port beside the doors of OTLP."""

    def routes(self) -> Sequence[Route]:
        """Its own."""

    async def missing(self, request: Request) -> Response | None:
        """An answer where nothing is; None: as OTLP says it."""


class Receiver:
    """The ASGI application of one home: reads bodies within bounds, answers as OTLP asks."""

    def __init__(self, intake: Intake, health: Callable[[], dict[str, Any]], metrics: Callable[[], Page]) -> None:
        self._intake = intake
        self._health = health
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """`/v1/traces`, `/v1/metrics`, `/v1/logs`, `/healthz` and `/metrics`."""
        doors = [Route(f"/v1/{signal.value}", partial(self._export, signal), methods=["POST"]) for signal in Signal]
        looks = [Route("/healthz", self.healthz, methods=["GET"]), Route("/metrics", self.metrics, methods=["GET"])]
        return [*doors, *looks]

    async def _export(self, signal: Signal, request: Request) -> Response:
        """Take one request."""
        as_json = bool(_is_json(request))
        try:
            return _answer(200, await self._taken(signal, request, as_json), as_json=as_json)
        except SyscardError as error:
            return _refusal(error, as_json=as_json)
        except ClientDisconnect:
            return Response(status_code=400)
        except asyncio.CancelledError:
            # The server has waited long enough for its end. What is under way is stored, and known when it comes again.
            return _refusal(InboxFull("syscard is shutting down: send again"), as_json=as_json)
        except Exception as error:  # noqa: BLE001 - the answer must be of OTLP's shape, whatever broke
            _log.error("a request could not be taken: %s", place_of(error))
            return _refusal(SyscardError("internal error, see the log"), as_json=as_json)

    async def _taken(self, signal: Signal, request: Request, as_json: bool) -> bytes:
        self._intake.check(request.headers.get("authorization", ""))
        if _is_json(request) is None:
            raise UnsupportedMedia("content type must be application/x-protobuf or application/json")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._intake.limits.body:
            raise too_large(self._intake.limits.body)
        async with self._intake.place() as place:
            try:
                async with asyncio.timeout(self._intake.limits.read_s):
                    body = await _body(request, place)
            except TimeoutError as error:
                raise SlowBody("the body did not arrive in time: send smaller batches") from error
            encoding = request.headers.get("content-encoding", "")
            return await self._intake.take(signal, body, encoding, as_json=as_json)

    async def healthz(self, _request: Request) -> Response:
        """Whether spans are taken and rolled."""
        health = await run_in_threadpool(self._health)
        return JSONResponse(health, 200 if health["ok"] else 503)

    async def metrics(self, request: Request) -> Response:
        """What syscard knows, for Prometheus; with the token, where there is one: it names parts and incidents."""
        try:
            self._intake.check(request.headers.get("authorization", ""))
            page = await run_in_threadpool(self._metrics)
        except SyscardError as error:
            return Response(f"{error}\n", answer_to(error).status, media_type="text/plain")
        return Response(page.text, media_type=page.media_type)


async def _body(request: Request, place: Place) -> bytes:
    body = bytearray()
    async for part in request.stream():
        place.hold(len(part))
        body += part
    return bytes(body)


def _is_json(request: Request) -> bool | None:
    return _TYPES.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())


def _answer(status: int, body: bytes, *, as_json: bool, headers: dict[str, str] | None = None) -> Response:
    media = "application/json" if as_json else "application/x-protobuf"
    return Response(body, status, headers, media_type=media)


def _refusal(error: SyscardError, *, as_json: bool) -> Response:
    status, grpc = answer_to(error)
    headers = {"retry-after": str(RETRY_AFTER_S)} if status == 503 else {}
    # The rest of a refused body is not read: the connection cannot be used again.
    headers |= {"connection": "close"} if status in (401, 408, 413, 503) else {}
    return _answer(status, status_body(grpc, str(error), as_json=as_json), as_json=as_json, headers=headers)


async def _no_door(beside: Beside | None, status: int, request: Request, error: Exception) -> Response:
    """404 and 405, said like every other refusal; what is beside us may have a better word for what is not there."""
    if beside is not None and status == 404 and (answer := await beside.missing(request)) is not None:
        return answer
    grpc, message = _NO_DOOR[status]
    as_json = bool(_is_json(request))
    headers = {**(getattr(error, "headers", None) or {}), "connection": "close"}  # the body is not read here either
    return _answer(status, status_body(grpc, message, as_json=as_json), as_json=as_json, headers=headers)


def serve(
    home: Home,
    *,
    host: str,
    port: int,
    token: str | None,
    rules: Callable[[], TraceRules],
    clock: Clock,
    grpc_port: int | None = None,
    tls: Tls | None = None,
    behind_proxy: bool = False,
    roll_every: float = 1.0,
    limits: Limits = Limits(),  # noqa: B008
    on_ready: Callable[[Ports], None] | None = None,
    keeping: Callable[[], Keeping] = Keeping,
    beside: Callable[[], Beside] | None = None,
) -> None:
    """Take spans until SIGTERM or SIGINT, then roll what is left and return.

    A port of 0 takes any free one, and without `grpc_port` there is no gRPC; `on_ready` is told the ports. `rules` is
    asked for each request, so that what it returns may change. `roll_every` is in seconds. Every hour `keeping` is
    asked what the lake may let go of; by itself that is nothing. `beside` makes what else the port serves.

    Raises:
        UsageError: a port is taken, the home is served already, or a host that others reach has no token or no TLS.
        TraceError: the inbox is damaged.
        MissingExtra: the server's libraries are not installed.
    """
    check_host(host, token, tls, behind_proxy=behind_proxy)
    with only_server(home), closing(bind(host, port)) as listener, Inbox(home.inbox, clock=clock) as inbox:
        if grpc_port:
            bind(host, grpc_port, "--grpc-port").close()
        roller = RollerThread(inbox, home, roll_every)
        housekeeper = Housekeeper(home, keeping, clock)
        pipeline = Pipeline(home, inbox, rules, clock)

        spare_the_collector()

        async def run() -> None:
            intake = Intake(pipeline, token, limits)
            roller.start()
            housekeeper.start()
            try:
                async with AsyncExitStack() as doors:
                    ports = Ports(listener.getsockname()[1], *await _grpc(doors, intake, listener, grpc_port, tls))

                    def health() -> dict[str, Any]:
                        return _health(inbox, roller, pipeline.encoders)

                    receiver = Receiver(intake, health, lambda: _metrics(home, clock, health(), intake))
                    other = beside() if beside else None
                    await _http(receiver, other, listener, tls, limits, lambda: on_ready(ports) if on_ready else None)
            finally:
                await intake.close()
                await asyncio.to_thread(pipeline.encoders.close)
                await asyncio.to_thread(housekeeper.stop)
                await asyncio.to_thread(roller.stop)
                pipeline.close()

        with asyncio.Runner(loop_factory=partial(TlsDeadline, limits.header_s)) as runner:
            runner.run(run())


async def _grpc(
    doors: AsyncExitStack, intake: Intake, listener: socket.socket, port: int | None, tls: Tls | None
) -> tuple[int | None, str]:
    """Open the door of gRPC; its port, or why there is none."""
    if port is None:
        return None, ""
    try:
        from syscard_tracing.grpc_door import grpc_door
    except MissingExtra as missing:
        return None, str(missing)
    return await doors.enter_async_context(grpc_door(intake, listener.getsockname()[0], port, tls)), ""


async def _http(
    receiver: Receiver,
    beside: Beside | None,
    listener: socket.socket,
    tls: Tls | None,
    limits: Limits,
    on_ready: Callable[[], None],
) -> None:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        on_ready()
        yield

    no_door = {status: partial(_no_door, beside, status) for status in _NO_DOOR}
    routes = [*receiver.routes(), *(beside.routes() if beside else ())]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=no_door)
    app.router.redirect_slashes = False  # an exporter does not follow: a 404 says what is wrong
    config = uvicorn.Config(
        app,
        http=type("Connection", (HeaderDeadline, AutoHTTPProtocol), {"header_s": limits.header_s}),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
        ssl_certfile=tls.cert if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    with BoundedListener(listener, most_connections(limits.connections, 2)) as bounded:
        await _Server(config).serve(sockets=[bounded])


def _health(inbox: Inbox, roller: RollerThread, encoders: Encoders) -> dict[str, Any]:
    try:
        pending, error = inbox.pending(), roller.last_error
    except TraceError as damaged:
        pending, error = -1, str(damaged)
    return {
        "ok": error is None,
        "pending": pending,
        "error": error,
        "lake_version": roller.last.version if roller.last else None,
        "vectors": {**encoders.counts, "why": encoders.why},
    }


def _metrics(home: Home, clock: Clock, health: dict[str, Any], intake: Intake) -> Page:
    from syscard_tracing.exposition import CONTENT_TYPE, exposition  # its library is loaded when somebody asks

    return Page(exposition(home.records, clock(), health, dict(intake.counts)), CONTENT_TYPE)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As we stop."""
        with stopped_by_signals(self.handle_exit):
            yield
