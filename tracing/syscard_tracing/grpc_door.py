"""OTLP over gRPC: the same intake as over HTTP. The one user of grpcio.

The three services are registered by name with handlers of raw bytes, so size and parsing are ours. A handler is called
before the message is read: who may not send, or for whom there is no room, costs no memory.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from syscard.errors import InboxFull, MissingExtra, SyscardError, UsageError
from syscard_tracing.inflate import too_large
from syscard_tracing.intake import RETRY_AFTER_S, Intake, SlowBody, answer_to
from syscard_tracing.otlp_proto import retry_details
from syscard_tracing.pipeline import place_of
from syscard_tracing.signals import Signal

if TYPE_CHECKING:
    from syscard_tracing.serving import Tls

# What clients do wrong they are told; the library would write it on our standard error as well.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
try:
    import grpc  # type: ignore[import-untyped]
    from grpc import aio
except ImportError as error:
    raise MissingExtra("grpc", "OTLP over gRPC") from error

READING: Final = 8
"""Messages that are read at one time: how long one is, is not known before."""
HURRIED_S: Final = 1.0
"""How long a message has to arrive once others wait for a turn to be read."""
MOST_CONNECTIONS: Final = 256
MOST_STREAMS: Final = 64
"""Calls at one time over one connection."""
HANDSHAKE_MS: Final = 10_000
"""Until a connection has begun to speak HTTP/2, behind its TLS."""
IDLE_MS: Final = 60_000
"""After so long without a call a connection is told to go; its exporter connects again when it has something."""
GRACE_S: Final = 10.0
_SERVICES: Final = {
    Signal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Signal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
    Signal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
}
_CODES: Final[dict[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}
_log = logging.getLogger("syscard.tracing")
_Export = Callable[[Any, Any], Awaitable[bytes]]


@asynccontextmanager
async def grpc_door(intake: Intake, host: str, port: int, tls: Tls | None) -> AsyncIterator[int]:
    """Take requests while the block runs; gives the port. Those that run at its end are finished.

    Raises:
        UsageError: the address cannot be used.
    """
    options = [
        ("grpc.max_receive_message_length", intake.limits.body),
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", MOST_CONNECTIONS),
        ("grpc.max_concurrent_streams", MOST_STREAMS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", IDLE_MS),
    ]
    server = aio.server(options=options)
    reading = Turns(READING)
    for signal, name in _SERVICES.items():
        handler = grpc.stream_unary_rpc_method_handler(_export(intake, signal, reading))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        taken = server.add_secure_port(address, _credentials(tls)) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise UsageError(f"cannot listen on {address} for gRPC: choose another with --grpc-port") from error
    await server.start()
    try:
        yield taken
    finally:
        await server.stop(GRACE_S)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.cert.read_bytes())])


def _export(intake: Intake, signal: Signal, reading: Turns) -> _Export:
    """The handler of one service. Its caller sends one message: on the wire that is a stream of one."""

    async def export(_messages: Any, context: Any) -> bytes:
        try:
            intake.check(_authorization(context))
            async with intake.place() as place:
                async with reading.turn(intake.limits.wait_s, intake.limits.read_s):
                    message = await context.read()
                if message is aio.EOF:  # gRPC has refused it, or the sender has gone
                    raise too_large(intake.limits.body)
                place.hold(len(message))
                return await intake.take(signal, message)
        except SyscardError as error:
            refused = error
        except TimeoutError:
            refused = SlowBody("the message did not arrive in time: send smaller batches")
        except (aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the sender must get an answer, whatever broke
            _log.error("a request could not be taken: %s", place_of(error))
            refused = SyscardError("internal error, see the log")
        return await _refuse(context, refused)

    return export


class Turns:
    """Turns to read a message. A stream may send nothing and hold one: while others wait, it does not hold it long."""

    def __init__(self, turns: int) -> None:
        self._free = asyncio.Semaphore(turns)
        self._waiting = 0
        self._held: dict[asyncio.Timeout, float] = {}
        """Until when each may be held, in order, and when it began."""

    @asynccontextmanager
    async def turn(self, wait_s: float, read_s: float) -> AsyncIterator[None]:
        """A turn of at most `read_s`, or of `HURRIED_S` when another waits for one.

        Raises:
            InboxFull: none came free in `wait_s`.
            TimeoutError: what is done in it takes longer.
        """
        await self._wait(wait_s)
        try:
            async with asyncio.timeout(HURRIED_S if self._waiting else read_s) as limit:
                self._held[limit] = asyncio.get_running_loop().time()
                try:
                    yield
                finally:
                    del self._held[limit]
        finally:
            self._free.release()

    async def _wait(self, wait_s: float) -> None:
        if self._free.locked():
            self._hurry()
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise InboxFull("too many messages are being read: try again") from error
        finally:
            self._waiting -= 1

    def _hurry(self) -> None:
        """The turn that is held longest, and was not hurried yet, ends soon."""
        now = asyncio.get_running_loop().time()
        for limit, began in self._held.items():
            soon = max(now, began + HURRIED_S)
            if (limit.when() or soon) > soon:
                limit.reschedule(soon)
                return


def _authorization(context: Any) -> str:
    found = (value for key, value in context.invocation_metadata() or () if key == "authorization")
    return str(next(found, ""))


async def _refuse(context: Any, error: SyscardError) -> bytes:
    code = answer_to(error).grpc
    trailers = retry_details(str(error), RETRY_AFTER_S) if code == grpc.StatusCode.UNAVAILABLE.value[0] else {}
    await context.abort(_CODES[code], str(error), tuple(trailers.items()))
    return b""
