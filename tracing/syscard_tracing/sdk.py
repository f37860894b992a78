"""Emitting: set up OpenTelemetry for a process, and name its components. Nothing here ever raises into the host.

::

    from syscard_tracing import component, instrument

    instrument("shop-recommender")

    @component("cf", kind="retrieval")
    def recommend(user): ...

    with component("llm", kind="chat", version="2026-11") as span:
        span.set(grounded=0.93)
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

SCOPE = "syscard_tracing"
_F = TypeVar("_F", bound=Callable[..., Any])
_log = logging.getLogger("syscard.tracing")


def instrument(
    service_name: str,
    *,
    endpoint: str = "http://127.0.0.1:4318",
    version: str | None = None,
    environment: str | None = None,
) -> TracerProvider:
    """Send this process's spans to `endpoint` (OTLP over HTTP, in batches, in the background).

    Becomes the global tracer provider unless the host has set one. Call `.shutdown()` on it to send what is left.
    """
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    facts = {"service.name": service_name, "service.version": version, "deployment.environment.name": environment}
    resource = Resource.create({key: value for key, value in facts.items() if value is not None})
    provider = TracerProvider(resource=resource, id_generator=_id_generator())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
    return provider


def _id_generator() -> Any:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class SystemRandomIds(IdGenerator):
        """Ids from the operating system: the SDK's own repeat where the host seeds `random`."""

        def generate_span_id(self) -> int:
            return int.from_bytes(os.urandom(8), "big") or 1

        def generate_trace_id(self) -> int:
            return int.from_bytes(os.urandom(16), "big") or 1

    return SystemRandomIds()


class ComponentSpan:
    """The span of one call of a component."""

    def __init__(self, name: str, span: Span | None) -> None:
        self._name = name
        self.span = span
        """The OpenTelemetry span, for what `set` has no words for."""

    def set(self, **fields: Any) -> None:
        """Write fields as `syscard.<component>.<field>`: numbers, booleans, short labels, lists of them."""
        for field, value in fields.items():
            self.attribute(f"syscard.{self._name}.{field}", value)

    def attribute(self, key: str, value: Any) -> None:
        """Write one attribute under its own name, such as `gen_ai.request.model`."""
        if self.span is not None and value is not None:
            _safely(self.span.set_attribute, key, value)

    def fallback(self, reason: str) -> None:
        """Say that the component answered by its fallback, and why."""
        self.attribute(f"syscard.{self._name}.fallback", value=True)
        if self.span is not None:
            _safely(self.span.add_event, "fallback", {"reason": reason})


class component:  # noqa: N801 - reads as a verb at its place: `with component("llm")`
    """A span for one component: a context manager, and a decorator for functions, coroutines and generators."""

    def __init__(self, name: str, *, kind: str | None = None, version: str | None = None) -> None:
        self._name, self._kind, self._version = name, kind, version
        self._scopes: list[Any] = []

    def __enter__(self) -> ComponentSpan:
        scope = _safely(self._start)
        span = _safely(scope.__enter__) if scope is not None else None
        self._scopes.append(scope if span is not None else None)
        return ComponentSpan(self._name, span)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        scope = self._scopes.pop() if self._scopes else None
        if scope is None:
            return
        try:
            scope.__exit__(kind, error, at)
        except BaseException as raised:  # noqa: BLE001
            # The scope hands the host's own exception on; anything else is ours and stays here.
            if raised is not error:
                _log.debug("span of %s could not be ended", self._name, exc_info=True)

    def __call__(self, function: _F) -> _F:
        """The function with a span around each call."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return cast("_F", coroutine)
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return (yield from function(*args, **kwargs))

            return cast("_F", generator)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast("_F", call)

    def _again(self) -> component:
        """One object a call: calls may run at the same time."""
        return component(self._name, kind=self._kind, version=self._version)

    def _start(self) -> Any:
        from opentelemetry import trace

        facts = {
            "syscard.component": self._name,
            "syscard.component.version": self._version,
            "gen_ai.operation.name": self._kind,
        }
        attributes = {key: value for key, value in facts.items() if value is not None}
        return trace.get_tracer(SCOPE).start_as_current_span(
            f"{self._kind or 'call'} {self._name}", attributes=attributes
        )


def _safely(call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except Exception:  # noqa: BLE001 - tracing must never break what it traces
        _log.debug("tracing failed", exc_info=True)
        return None
