"""Emitting: set up OpenTelemetry for a process, and name its components. Nothing here ever raises into the host.

::

    from syscard_tracing import component, instrument

    instrument("shop-recommender")

    @component("cf", kind="retrieval")
    def recommend(user): ...

    with component("llm", kind="chat", version="2026-11") as span:
        span.prompt(TEMPLATE)
        span.set(grounded=0.93)

What a convention has a name for (models, tokens, tools) is left to the instrumentors; here is what none has a name for.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import inspect
import logging
import os
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from syscard.observation import FEEDBACK, SDK_SCOPE
from syscard_tracing.streams import watched, watched_async

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Link, Span

USER_SALT = "SYSCARD_USER_SALT"
"""Environment variable with the salt of user keys; without it they are good for the life of the process."""
_F = TypeVar("_F", bound=Callable[..., Any])
_log = logging.getLogger("syscard.tracing")


def instrument(
    service_name: str,
    *,
    endpoint: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    exporter: SpanExporter | None = None,
) -> TracerProvider:
    """Send this process's spans to `syscard serve` (OTLP over HTTP, in batches, in the background).

    Becomes the global tracer provider unless the host has set one. Call `.shutdown()` on it to send what is left.

    Args:
        service_name: what system.yaml selects by.
        endpoint: base address; else what OpenTelemetry's own variables say, else http://127.0.0.1:4318.
        version: of the service.
        environment: where it runs, such as `production`.
        exporter: where spans go instead of OTLP over HTTP.
    """
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    facts = {"service.name": service_name, "service.version": version, "deployment.environment.name": environment}
    resource = Resource.create({key: value for key, value in facts.items() if value is not None})
    provider = TracerProvider(resource=resource, id_generator=_id_generator())
    to = exporter or OTLPSpanExporter(endpoint=_traces_of(endpoint))
    provider.add_span_processor(BatchSpanProcessor(to))
    trace.set_tracer_provider(provider)
    return provider


def _traces_of(endpoint: str | None) -> str | None:
    """The address for spans; None where OpenTelemetry's own variables name one."""
    named = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint is None and any(os.environ.get(key) for key in named):
        return None
    return f"{(endpoint or 'http://127.0.0.1:4318').rstrip('/')}/v1/traces"


def _id_generator() -> Any:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class SystemRandomIds(IdGenerator):
        """Ids from the operating system: the SDK's own repeat where the host seeds `random`."""

        def generate_span_id(self) -> int:
            return int.from_bytes(os.urandom(8), "big") or 1

        def generate_trace_id(self) -> int:
            return int.from_bytes(os.urandom(16), "big") or 1

    return SystemRandomIds()


def _quietly(word: _F) -> _F:
    """The word, but whatever goes wrong in it stays here: a host's values can be anything."""

    @functools.wraps(word)
    def said(*args: Any, **kwargs: Any) -> Any:
        try:
            return word(*args, **kwargs)
        except Exception:  # noqa: BLE001 - tracing must never break what it traces
            _log.debug("%s failed", word.__name__, exc_info=True)
            return None

    return cast("_F", said)


class ComponentSpan:
    """The span of one call of a component."""

    def __init__(self, name: str, span: Span | None) -> None:
        self._name = name
        self.span = span
        """The OpenTelemetry span, for what there are no words for."""

    @_quietly
    def set(self, **fields: Any) -> None:
        """Write fields as `syscard.<component>.<field>`: numbers, booleans, short labels, lists of them."""
        for field, value in fields.items():
            self.attribute(f"syscard.{self._name}.{field}", value)

    @_quietly
    def attribute(self, key: str, value: Any) -> None:
        """Write one attribute under its own name, such as `gen_ai.request.model`."""
        if self.span is not None and value is not None:
            self.span.set_attribute(key, value)

    @property
    def reference(self) -> str:
        """The span as a W3C `traceparent`: keep it beside what was shown, and hand it to `feedback` later."""
        return (_traceparent(self.span) if self.span is not None else None) or ""

    @_quietly
    def prompt(self, template: str) -> None:
        """Say which prompt template is at work: its hash, never its text."""
        self.attribute("syscard.prompt.hash", _digest(template.encode("utf-8", "replace"))[:12])

    @_quietly
    def slate(self, items: Iterable[str], scores: Iterable[float] = (), *, candidates: int | None = None) -> None:
        """Say what was offered, best first: ids, scores (lists or arrays), and how many candidates there were."""
        self.set(items=[str(item) for item in items], candidate_count=candidates)
        if ranked := [float(score) for score in scores]:
            self.set(scores=ranked, top_score=ranked[0], score_gap=round(ranked[0] - ranked[-1], 9))

    @_quietly
    def item(self, identity: str) -> None:
        """Say which one thing the call was about, by its id."""
        self.attribute(f"syscard.{self._name}.item.id", identity)

    @_quietly
    def image(self, data: bytes, mime: str) -> None:
        """Say which picture was looked at: digest, type and size, never the bytes."""
        facts = {"image.sha256": _digest(data), "image.mime": mime, "image.bytes": len(data)}
        self.set(**facts)

    @_quietly
    def data_asof(self, day: date, today: date | None = None) -> None:
        """Say up to which day the component's data go, and how many days ago that is."""
        age = ((today or datetime.now(UTC).date()) - day).days
        facts = {"data.asof": day.isoformat(), "data.age_days": age}
        self.set(**facts)

    @_quietly
    def user(self, identity: object, segment: str | None = None) -> None:
        """Say for whom: a salted key (the identity never leaves the process) and the group to compare by."""
        self.attribute("syscard.user.segment", segment)
        self.attribute("syscard.user.id", user_key(identity) or None)

    @_quietly
    def failed(self, error: BaseException) -> None:
        """Say that the component failed, where the host has caught the error and goes on."""
        if self.span is not None:
            _failed(self.span, error)

    @_quietly
    def fallback(self, reason: str) -> None:
        """Say that the component answered by its fallback, and why."""
        self.attribute(f"syscard.{self._name}.fallback", value=True)
        if self.span is not None:
            self.span.add_event("fallback", {"reason": reason})


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
            return cast("_F", watched(function, _Watch(self)))
        if inspect.isasyncgenfunction(function):
            return cast("_F", watched_async(function, _Watch(self)))

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

        return trace.get_tracer(SDK_SCOPE).start_as_current_span(self._span_name, attributes=self._facts)

    def _start_apart(self) -> Any:
        """A span that is not current."""
        from opentelemetry import trace

        return trace.get_tracer(SDK_SCOPE).start_span(self._span_name, attributes=self._facts)

    @property
    def _span_name(self) -> str:
        return f"{self._kind or 'call'} {self._name}"

    @property
    def _facts(self) -> dict[str, str]:
        facts = {
            "syscard.component": self._name,
            "syscard.component.version": self._version,
            "gen_ai.operation.name": self._kind,
        }
        return {key: value for key, value in facts.items() if value is not None}


class _Watch:
    """Spans of a component for generators."""

    def __init__(self, of: component) -> None:
        self._of = of

    def begin(self) -> Span | None:
        span: Span | None = _safely(self._of._start_apart)
        return span

    def end(self, span: Span | None, error: BaseException | None) -> None:
        if span is not None and error is not None:
            _safely(_failed, span, error)
        if span is not None:
            _safely(span.end)

    def attach(self, span: Span | None) -> Any:
        return None if span is None else _safely(_attached, span)

    def detach(self, token: Any) -> None:
        if token is not None:
            _safely(_detached, token)


def _attached(span: Span) -> Any:
    from opentelemetry import context, trace

    return context.attach(trace.set_span_in_context(span))


def _detached(token: Any) -> None:
    from opentelemetry import context

    context.detach(token)


def user_key(identity: object) -> str:
    """16 hex digits for a user: HMAC-SHA256 with the salt in `SYSCARD_USER_SALT`; "" for what has no text."""
    text = _safely(str, identity)
    return "" if text is None else hmac.digest(_salt(), text.encode("utf-8", "replace"), "sha256").hex()[:16]


@_quietly
def feedback(reference: str, *, segment: str | None = None, **fields: Any) -> None:
    """Say what came of a request, once it is known: a span of its own, linked to the request's.

    Args:
        reference: what `ComponentSpan.reference` gave while the request ran.
        segment: the user's group, so that groups can be compared without a join.
        fields: written as `syscard.feedback.<field>`, such as `accepted=True, position=2`.
    """
    from opentelemetry import context, trace

    attributes = {f"syscard.feedback.{field}": value for field, value in fields.items() if value is not None}
    attributes |= {"syscard.operation": FEEDBACK} | ({"syscard.user.segment": segment} if segment else {})
    span = trace.get_tracer(SDK_SCOPE).start_span(
        FEEDBACK, context.Context(), attributes=attributes, links=_links(reference)
    )  # a root: the request is over
    span.end()


def _links(reference: str) -> list[Link]:
    from opentelemetry.trace import Link, SpanContext, TraceFlags

    _, trace_id, span_id, flags = reference.split("-")
    there = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return [Link(there)]


@_quietly
def _traceparent(span: Span) -> str:
    there = span.get_span_context()
    return f"00-{there.trace_id:032x}-{there.span_id:016x}-{int(there.trace_flags):02x}" if there.is_valid else ""


def _failed(span: Span, error: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    span.record_exception(error)
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.cache
def _random_salt() -> bytes:
    _log.debug("%s is not set: user keys change at each start", USER_SALT)
    return os.urandom(32)


def _salt() -> bytes:
    return os.environ.get(USER_SALT, "").encode() or _random_salt()


def _safely(call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except Exception:  # noqa: BLE001 - tracing must never break what it traces
        _log.debug("tracing failed", exc_info=True)
        return None
