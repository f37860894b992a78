"""`instrument()`: OpenTelemetry set up for a process in one call, which never raises into its host."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import trace

from syscard_tracing.sdk_instrumentors import Switchboard, Wanted

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from syscard_tracing.sdk_queue import Delivery, Queue

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
LONGEST = 1024 * 1024
"""Characters of one attribute that are sent, where neither the host nor OpenTelemetry's variables say otherwise."""
_LENGTH_LIMITS = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
_log = logging.getLogger("syscard.tracing")


class _Settings(NamedTuple):
    service: str
    version: str | None
    environment: str | None
    endpoint: str | None
    exporter: SpanExporter | None
    queue_size: int | None


class _Setup(NamedTuple):
    settings: _Settings
    provider: TracerProvider
    queue: Queue
    switchboard: Switchboard


class _Process:
    """What this process has set up; once, whoever calls."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.setup: _Setup | None = None


_process = _Process()


def instrument(
    service_name: str,
    *,
    endpoint: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    exporter: SpanExporter | None = None,
    instrumentors: Wanted = "auto",
    content: bool | None = None,
    threads: bool = False,
    max_queue_size: int | None = None,
) -> TracerProvider:
    """Send this process's spans to `syscard serve` (OTLP over HTTP, in batches, in the background).

    Becomes the global tracer provider; where the host has set one, its spans are sent as well. Called again, nothing is
    sent twice. Whatever goes wrong is a warning in the log. Call `.shutdown()` on what it gives to send what is left.

    Args:
        service_name: what system.yaml selects by.
        endpoint: base address; else what OpenTelemetry's own variables say, else http://127.0.0.1:4318.
        version: of the service.
        environment: where it runs, such as `production`.
        exporter: where spans go instead of OTLP over HTTP.
        instrumentors: `auto` turns on those that are installed, each as its library is imported, and one for each call;
            names of distributions (or libraries) turn on those; `none`.
        content: whether instrumentors send texts; None leaves it to their own variables. Pictures only with True.
        threads: carry the current span into threads and pools, with `opentelemetry-instrumentation-threading`.
        max_queue_size: spans that may wait; more are dropped and counted.
    """
    try:
        settings = _Settings(service_name, version, environment, endpoint, exporter, max_queue_size)
        with _process.lock:
            setup = _process.setup = _set_up(settings, _process.setup)
        setup.switchboard.turn_on(instrumentors, content)
        if threads:
            setup.switchboard.carry_threads()
    except Exception:  # noqa: BLE001 - tracing must never break what it traces
        _log.warning("tracing is not set up, the program goes on without", exc_info=True)
        return _nowhere()
    return setup.provider


def delivery() -> Delivery:
    """What became of this process's spans: waiting, sending, sent, failed, dropped. All 0 before `instrument()`."""
    from syscard_tracing.sdk_queue import Delivery

    return _process.setup.queue.delivery() if _process.setup is not None else Delivery(0, 0, 0, 0)


def _set_up(settings: _Settings, before: _Setup | None) -> _Setup:
    if before is not None and not before.queue.is_over and before.provider is _in_force(before.provider):
        if before.settings != settings:
            _log.warning("instrument() was called before: spans go on as %s", before.settings.service)
        return before
    from syscard_tracing.sdk_queue import Queue

    queue = Queue(_exporter_of(settings), settings.queue_size)
    provider = _provider_of(settings)
    provider.add_span_processor(queue)
    kept = before is not None and before.provider is provider
    return _Setup(settings, provider, queue, before.switchboard if kept and before else Switchboard(provider))


def _in_force(otherwise: TracerProvider) -> object:
    """The provider that the process uses; where there is none yet, the one given."""
    now = trace.get_tracer_provider()
    return otherwise if isinstance(now, trace.ProxyTracerProvider) else now


def _provider_of(settings: _Settings) -> TracerProvider:
    """The host's provider where there is one, else ours, which becomes the process's."""
    from opentelemetry.sdk.trace import TracerProvider

    resource = _resource(settings)
    host = trace.get_tracer_provider()
    if isinstance(host, trace.ProxyTracerProvider):
        own = TracerProvider(resource=resource, id_generator=_id_generator(), span_limits=_limits())
        trace.set_tracer_provider(own)
        return own
    if not hasattr(host, "add_span_processor"):
        _log.warning("the program's tracer provider (%s) takes no processor: its spans go nowhere", type(host).__name__)
        return TracerProvider(resource=resource)
    _joined(host, resource)
    return host  # type: ignore[return-value]


def _limits() -> SpanLimits:
    """OpenTelemetry's, and where nobody says otherwise none of the attributes so long that its batch is refused."""
    from opentelemetry.sdk.trace import SpanLimits

    said = any(os.environ.get(name) for name in _LENGTH_LIMITS)
    return SpanLimits() if said else SpanLimits(max_attribute_length=LONGEST)


def _joined(host: Any, resource: Resource) -> None:
    name, own = (r.attributes.get("service.name") for r in (host.resource, resource))
    if name != own:
        _log.warning(
            "the program's own tracer provider says service.name is %s, not %s: system.yaml has to select that",
            name,
            own,
        )


def _resource(settings: _Settings) -> Resource:
    from opentelemetry.sdk.resources import Resource

    facts = {
        "service.name": settings.service,
        "service.version": settings.version,
        "deployment.environment.name": settings.environment,
    }
    return Resource.create({key: value for key, value in facts.items() if value is not None})


def _exporter_of(settings: _Settings) -> Callable[[], SpanExporter]:
    if (given := settings.exporter) is not None:
        return lambda: given

    def make() -> SpanExporter:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=_traces_of(settings.endpoint))

    return make


def _traces_of(endpoint: str | None) -> str | None:
    """The address for spans; None where OpenTelemetry's own variables name one."""
    named = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint is None and any(os.environ.get(key) for key in named):
        return None
    return f"{(endpoint or DEFAULT_ENDPOINT).rstrip('/')}/v1/traces"


def _id_generator() -> Any:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class OwnRandomIds(IdGenerator):
        """Ids from a generator of our own: the SDK's repeat where the host seeds `random`, and after a fork."""

        def __init__(self) -> None:
            self._own = random.Random()  # noqa: S311 - seeded by the operating system; no secret
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._own.seed)

        def generate_span_id(self) -> int:
            return self._own.getrandbits(64) or 1

        def generate_trace_id(self) -> int:
            return self._own.getrandbits(128) or 1

    return OwnRandomIds()


def _nowhere() -> TracerProvider:
    """A provider whose spans go nowhere, for a host that calls `.shutdown()` on it."""
    from opentelemetry.sdk.trace import TracerProvider

    return TracerProvider(shutdown_on_exit=False)
