"""Generators with a span that is current while their body runs, and not while their consumer does.

A `with` around the body would leave the span current in the consumer between two items: what the consumer calls then
would pass for the generator's own calls, and generators that are consumed in turn would end each other's context.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from opentelemetry.trace import Span

from syscard_tracing.sdk_spans import Current, ended

Begin = Callable[[], Span | None]
"""Starts a span that is not current; does not raise."""


def watched(
    function: Callable[..., Generator[Any, Any, Any]], begin: Begin, *, closes: bool = True
) -> Callable[..., Any]:
    """The generator function with a span around each generator, from its first item to its end.

    `closes`: whether the body is closed with it; one that the host may hold as well is only let go of.
    """

    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _span(begin) as span:
            return (yield from _steps(function(*args, **kwargs), span, closes=closes))

    return generator


def watched_async(
    function: Callable[..., AsyncGenerator[Any, Any]], begin: Begin, *, closes: bool = True
) -> Callable[..., Any]:
    """The same for a function that makes asynchronous generators."""

    @functools.wraps(function)
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _span(begin) as span:
            body = function(*args, **kwargs)
            step = body.__anext__()
            while True:
                try:
                    with _current(span):
                        item = await step
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    if closes:
                        with _current(span):
                            await body.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - the body decides what becomes of it
                    step = body.athrow(thrown)
                else:
                    step = body.asend(sent)

    return generator


def is_begun_later(work: Any) -> bool:
    """Whether a function gave back work that is still to be done: not begun, and nothing that only looks like it."""
    if type(work) is GeneratorType:
        looks_only = bool(work.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
        return inspect.getgeneratorstate(work) == inspect.GEN_CREATED and not looks_only
    if type(work) is AsyncGeneratorType:
        return not (getattr(work, "ag_suspended", False) or work.ag_running) and work.ag_frame is not None
    return type(work) is CoroutineType and inspect.getcoroutinestate(work) == inspect.CORO_CREATED


def to_its_end(work: Any, span: Span | None) -> Any:
    """Work that `is_begun_later`, with a span that is open until it is done."""
    if type(work) is GeneratorType:
        return watched(lambda: work, lambda: span, closes=False)()
    if type(work) is AsyncGeneratorType:
        return watched_async(lambda: work, lambda: span, closes=False)()
    return _awaited(work, span)


async def _awaited(work: CoroutineType[Any, Any, Any], span: Span | None) -> Any:
    with Current(span):
        return await work


def _steps(body: Generator[Any, Any, Any], span: Span | None, *, closes: bool) -> Generator[Any, Any, Any]:
    step: Callable[[], Any] = functools.partial(next, body)
    while True:
        try:
            with _current(span):
                item = step()
        except StopIteration as done:
            return done.value
        try:
            sent = yield item
        except GeneratorExit:
            if closes:
                with _current(span):
                    body.close()
            raise
        except BaseException as thrown:  # noqa: BLE001 - the body decides what becomes of it
            step = functools.partial(body.throw, thrown)
        else:
            step = functools.partial(body.send, sent)


@contextmanager
def _span(begin: Begin) -> Iterator[Span | None]:
    span, failure = begin(), None
    try:
        yield span
    except BaseException as error:
        failure = error
        raise
    finally:
        ended(span, failure)


@contextmanager
def _current(span: Span | None) -> Iterator[None]:
    current = Current(span)
    try:
        yield
    finally:
        current.leave()
