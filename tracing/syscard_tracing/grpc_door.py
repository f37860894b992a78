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

from syscard.connections import most_connections
from syscard.errors import MissingExtra, SyscardError, UsageError, place_of
from syscard_tracing.inflate import too_large
from syscard_tracing.intake import RETRY_AFTER_S, Intake, Limits, answer_to
from syscard_tracing.otlp_proto import retry_details
from syscard_tracing.reading import Reading
from syscard_tracing.serving import address
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

STREAMS: Final = 100
"""Requests at one time on one connection; a sender's library holds more back."""
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
    server = aio.server(options=_options(intake.limits))
    reading = Reading(intake.limits)
    for signal, name in _SERVICES.items():
        handler = grpc.stream_unary_rpc_method_handler(_export(intake, signal, reading))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
    place = address(host, port)
    try:
        taken = server.add_secure_port(place, _credentials(tls)) if tls else server.add_insecure_port(place)
    except RuntimeError as error:
        raise UsageError(f"cannot listen on {place} for gRPC: choose another with --grpc-port") from error
    await server.start()
    try:
        yield taken
    finally:
        await server.stop(GRACE_S)


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", limits.body),
        ("grpc.max_allowed_incoming_connections", most_connections(limits.connections, 4)),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.server_handshake_timeout_ms", int(limits.header_s * 1000)),
        ("grpc.max_connection_idle_ms", int(limits.idle_s * 1000)),
        # With the probe, a connection may bring 4 MiB before anybody reads it; without, 64 KiB.
        ("grpc.http2.bdp_probe", 0),
    ]


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.cert.read_bytes())])


def _export(intake: Intake, signal: Signal, reading: Reading) -> _Export:
    """The handler of one service. Its caller sends one message: on the wire that is a stream of one."""

    async def export(_messages: Any, context: Any) -> bytes:
        try:
            intake.check(_authorization(context))
            async with intake.place() as place:
                async with reading.place():
                    message = await context.read()
                if message is aio.EOF:  # gRPC has refused it, or the sender has gone
                    raise too_large(intake.limits.body)
                place.hold(len(message))
                return await intake.take(signal, message)
        except SyscardError as error:
            refused = error
        except (aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the sender must get an answer, whatever broke
            _log.error("a request could not be taken: %s", place_of(error))
            refused = SyscardError("internal error, see the log")
        return await _refuse(context, refused)

    return export


def _authorization(context: Any) -> str:
    found = (value for key, value in context.invocation_metadata() or () if key == "authorization")
    return str(next(found, ""))


async def _refuse(context: Any, error: SyscardError) -> bytes:
    code = answer_to(error).grpc
    trailers = retry_details(str(error), RETRY_AFTER_S) if code == grpc.StatusCode.UNAVAILABLE.value[0] else {}
    await context.abort(_CODES[code], str(error), tuple(trailers.items()))
    return b""
