"""Spans as the SDK begins, makes current and ends them. Nothing here raises into the host.

OpenTelemetry's own `start_as_current_span` and a tracer looked up for each span cost more than the span itself: here
the tracer is looked up once for each provider, and a span is made current and ended without a generator in between.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from contextvars import Token
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, Tracer, TracerProvider

from syscard.observation import SDK_SCOPE

ITEMS: Final = 1_024
"""Values of one list that are sent."""
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})

_F = TypeVar("_F", bound=Callable[..., Any])
_log = logging.getLogger("syscard.tracing")


def quietly(word: _F) -> _F:
    """The word, but whatever goes wrong in it stays here: a host's values can be anything."""

    @functools.wraps(word)
    def said(*args: Any, **kwargs: Any) -> Any:
        try:
            return word(*args, **kwargs)
        except Exception:  # noqa: BLE001 - tracing must never break what it traces
            _log.debug("%s failed", word.__name__, exc_info=True)
            return None

    return cast("_F", said)


class _Tracers:
    """The tracer of the provider that is in force, looked up once for each."""

    def __init__(self) -> None:
        self._of: tuple[TracerProvider | None, Tracer] = (None, trace.NoOpTracer())

    def now(self) -> Tracer:
        provider = trace.get_tracer_provider()
        of, tracer = self._of
        if of is not provider:
            tracer = provider.get_tracer(SDK_SCOPE)
            self._of = provider, tracer
        return tracer


_tracers = _Tracers()


def begun(name: str, attributes: Mapping[str, Any], **how: Any) -> Span | None:
    """A span that has started and is not current; None where tracing failed."""
    try:
        return _tracers.now().start_span(name, attributes=attributes, **how)
    except Exception:  # noqa: BLE001 - tracing must never break what it traces
        _log.debug("a span could not be started", exc_info=True)
        return None


def ended(span: Span | None, error: BaseException | None = None) -> None:
    """End it; with what went wrong, if something did."""
    if span is None:
        return
    if error is not None and not isinstance(error, GeneratorExit):  # a consumer that has had enough is no failure
        failed(span, error)
    try:
        span.end()
    except Exception:  # noqa: BLE001 - tracing must never break what it traces
        _log.debug("a span could not be ended", exc_info=True)


@quietly
def failed(span: Span, error: BaseException) -> None:
    """Say what went wrong: its class, and its traceback as an event."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)
    span.record_exception(error)


def plain(value: Any, most: int = ITEMS) -> Any:
    """A value as OpenTelemetry takes it: numbers of numpy and the like as numbers, not as text; None for what is none.

    A value that cannot be read is lost alone, and not those beside it.
    """
    if type(value) in _PLAIN:
        return value
    try:
        if isinstance(value, list | tuple):
            return [told for item in value[:most] if (told := plain(item, 0)) is not None]
        if callable(listed := getattr(value, "tolist", None)):
            return plain(listed(), most) if getattr(value, "size", 1) <= max(most, 1) else None
        return float(value) if isinstance(value, Decimal | Fraction) else str(value)
    except Exception:  # noqa: BLE001 - tracing must never break what it traces
        _log.debug("a value could not be read", exc_info=True)
        return None


def label(value: Any) -> str | None:
    """A name that a host gives, as text; None for none, and for what has no text."""
    if type(value) is str or value is None:
        return value or None
    told = plain(value)
    return None if told is None else str(told)


class Current:
    """A span that is made current, until it is left again in the same task.

    This is what each call of a component goes through: one `try` at each end, and nothing that can be done before.
    """

    __slots__ = ("_token", "span")

    def __init__(self, span: Span | None) -> None:
        self.span = span
        self._token: Token[Context] | None = None
        if span is not None:
            try:
                self._token = context.attach(trace.set_span_in_context(span))
            except Exception:  # noqa: BLE001 - tracing must never break what it traces
                _log.debug("a span could not be made current", exc_info=True)

    def leave(self) -> None:
        """Make current what was before."""
        if self._token is not None:
            try:
                context.detach(self._token)
            except Exception:  # noqa: BLE001 - tracing must never break what it traces
                _log.debug("a span could not be left", exc_info=True)

    def __enter__(self) -> Current:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        self.leave()
        ended(self.span, error)
