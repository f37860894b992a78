"""Emitting: name the components of a program, and say what they did. Nothing here ever raises into the host.

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
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, TypeVar, cast

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, TraceFlags

from syscard.observation import FEEDBACK
from syscard_tracing.sdk_spans import Current, begun, ended, failed, label, plain, quietly
from syscard_tracing.streams import is_begun_later, to_its_end, watched, watched_async

USER_SALT = "SYSCARD_USER_SALT"
"""Environment variable with the salt of user keys; without it they are good for the life of the process."""
_F = TypeVar("_F", bound=Callable[..., Any])
_log = logging.getLogger("syscard.tracing")


class ComponentSpan:
    """The span of one call of a component."""

    __slots__ = ("_name", "span")

    def __init__(self, name: str, span: Span | None) -> None:
        self._name = name
        self.span = span
        """The OpenTelemetry span, for what there are no words for."""

    @property
    def _prefix(self) -> str:
        return f"syscard.{self._name}."

    @quietly
    def set(self, **fields: Any) -> None:
        """Write fields as `syscard.<component>.<field>`: numbers, booleans, short labels, lists of them."""
        if self.span is not None:
            told, prefix = {key: plain(value) for key, value in fields.items()}, self._prefix
            self.span.set_attributes({f"{prefix}{key}": v for key, v in told.items() if v is not None})

    @quietly
    def attribute(self, key: str, value: Any) -> None:
        """Write one attribute under its own name, such as `gen_ai.request.model`."""
        if self.span is not None and (told := plain(value)) is not None:
            self.span.set_attribute(key, told)

    def identity(self, version: str | None = None) -> None:
        """Say that a span which somebody else has begun is this component's."""
        self.attribute("syscard.component", self._name)
        self.attribute("syscard.component.version", version)

    @property
    def reference(self) -> str:
        """The span as a W3C `traceparent`: keep it beside what was shown, and hand it to `feedback` later."""
        return (_traceparent(self.span) if self.span is not None else None) or ""

    @quietly
    def prompt(self, template: str) -> None:
        """Say which prompt template is at work: its hash, never its text."""
        self.attribute("syscard.prompt.hash", _digest(template.encode("utf-8", "replace"))[:12])

    @quietly
    def slate(self, items: Iterable[str], scores: Iterable[float] = (), *, candidates: int | None = None) -> None:
        """Say what was offered, best first: ids, scores (lists or arrays), and how many candidates there were."""
        self.set(items=[str(item) for item in items], candidate_count=candidates)
        if ranked := [float(score) for score in scores]:
            self.set(scores=ranked, top_score=ranked[0], score_gap=round(ranked[0] - ranked[-1], 9))

    @quietly
    def item(self, identity: str) -> None:
        """Say which one thing the call was about, by its id."""
        self.attribute(f"{self._prefix}item.id", identity)

    @quietly
    def image(self, data: bytes, mime: str) -> None:
        """Say which picture was looked at: digest, type and size, never the bytes."""
        facts = {"image.sha256": _digest(data), "image.mime": mime, "image.bytes": len(data)}
        self.set(**facts)

    @quietly
    def data_asof(self, day: date, today: date | None = None) -> None:
        """Say up to which day the component's data go, and how many days ago that is."""
        age = ((today or datetime.now(UTC).date()) - day).days
        facts = {"data.asof": day.isoformat(), "data.age_days": age}
        self.set(**facts)

    @quietly
    def user(self, identity: object, segment: str | None = None) -> None:
        """Say for whom: a salted key (the identity never leaves the process) and the group to compare by."""
        self.attribute("syscard.user.segment", segment)
        self.attribute("syscard.user.id", user_key(identity) or None)

    @quietly
    def failed(self, error: BaseException) -> None:
        """Say that the component failed, where the host has caught the error and goes on."""
        if self.span is not None:
            failed(self.span, error)

    @quietly
    def fallback(self, reason: str) -> None:
        """Say that the component answered by its fallback, and why."""
        self.attribute(f"{self._prefix}fallback", value=True)
        if self.span is not None:
            self.span.add_event("fallback", {"reason": reason})


_OPEN: ContextVar[tuple[tuple[object, Current], ...]] = ContextVar("syscard_open", default=())
"""The components that this task, or this thread, is in, each with its span; the innermost last."""


class component:  # noqa: N801 - reads as a verb at its place: `with component("llm")`
    """A span for one component: `with`, `async with`, and a decorator for functions, coroutines and generators.

    One object may be used any number of times, also in many threads and tasks at once, and within itself.
    """

    def __init__(self, name: str, *, kind: str | None = None, version: str | None = None) -> None:
        name, kind, version = label(name) or "unnamed", label(kind), label(version)
        self._name = name
        self._span_name = f"{kind or 'call'} {name}"
        facts = {"syscard.component": name, "syscard.component.version": version, "gen_ai.operation.name": kind}
        self._facts = {key: value for key, value in facts.items() if value is not None}
        self._open: list[Current] = []
        """Every span that is open, for one that is left in another context than it was begun in."""

    def __enter__(self) -> ComponentSpan:
        opened = self._opened()
        self._open.append(opened)
        _OPEN.set((*_OPEN.get(), (self, opened)))
        return ComponentSpan(self._name, opened.span)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        stack = _OPEN.get()
        last = len(stack) - 1
        while last >= 0 and stack[last][0] is not self:
            last -= 1
        if last >= 0:
            opened = stack[last][1]
            _OPEN.set((*stack[:last], *stack[last + 1 :]))
        elif self._open:
            opened = self._open[-1]
        else:
            return
        with suppress(ValueError):  # another thread may have left it
            self._open.remove(opened)
        opened.__exit__(kind, error, at)

    async def __aenter__(self) -> ComponentSpan:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, at)

    def __call__(self, function: _F) -> _F:
        """The function with a span around each call; what is no function is given back as it is, with a warning."""
        if isinstance(function, classmethod | staticmethod):
            return cast("_F", type(function)(self(function.__func__)))
        if isinstance(function, type | property) or not callable(function):
            _log.warning("component %s: a %s cannot be decorated: name a method", self._name, type(function).__name__)
            return function
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._opened():
                    return await function(*args, **kwargs)

            return cast("_F", coroutine)
        if inspect.isgeneratorfunction(function):
            return cast("_F", watched(function, self._begun))
        if inspect.isasyncgenfunction(function):
            return cast("_F", watched_async(function, self._begun))

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            opened = self._opened()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                opened.__exit__(type(error), error, None)
                raise
            if is_begun_later(result):  # a function that only hands on another's coroutine or generator
                opened.leave()
                return to_its_end(result, opened.span)
            opened.__exit__(None, None, None)
            return result

        return cast("_F", call)

    def _begun(self) -> Span | None:
        return begun(self._span_name, self._facts)

    def _opened(self) -> Current:
        return Current(self._begun())


def user_key(identity: object) -> str:
    """16 hex digits for a user: HMAC-SHA256 with the salt in `SYSCARD_USER_SALT`; "" for what has no text."""
    return _key_of(identity) or ""


@quietly
def _key_of(identity: object) -> str:
    return hmac.digest(_salt(), str(identity).encode("utf-8", "replace"), "sha256").hex()[:16]


@quietly
def feedback(reference: str, *, segment: str | None = None, **fields: Any) -> None:
    """Say what came of a request, once it is known: a span of its own, linked to the request's.

    Args:
        reference: what `ComponentSpan.reference` gave while the request ran.
        segment: the user's group, so that groups can be compared without a join.
        fields: written as `syscard.feedback.<field>`, such as `accepted=True, position=2`.
    """
    attributes = {f"syscard.feedback.{field}": value for field, value in fields.items() if value is not None}
    attributes |= {"syscard.operation": FEEDBACK} | ({"syscard.user.segment": segment} if segment else {})
    # A root: the request is over.
    ended(begun(FEEDBACK, attributes, context=Context(), links=_links(reference)))


def _links(reference: str) -> list[Link]:
    _, trace_id, span_id, flags = reference.split("-")
    there = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return [Link(there)]


@quietly
def _traceparent(span: Span) -> str:
    there = span.get_span_context()
    return f"00-{there.trace_id:032x}-{there.span_id:016x}-{int(there.trace_flags):02x}" if there.is_valid else ""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.cache
def _random_salt() -> bytes:
    _log.debug("%s is not set: user keys change at each start", USER_SALT)
    return os.urandom(32)


def _salt() -> bytes:
    return os.environ.get(USER_SALT, "").encode() or _random_salt()
