"""Generators with a span that is current while their body runs, and not while their consumer does.

A `with` around the body would leave the span current in the consumer between two items: what the consumer calls then
would pass for the generator's own calls, and generators that are consumed in turn would end each other's context.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from opentelemetry.trace import Span

from syscard_tracing.sdk_spans import Current, ended

Begin = Callable[[], Span | None]
"""Starts a span that is not current; does not raise."""
LATER: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""What a function gives back whose work is still to be done."""


def watched(function: Callable[..., Generator[Any, Any, Any]], begin: Begin) -> Callable[..., Any]:
    """The generator function with a span around each generator, from its first item to its end."""

    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _span(begin) as span:
            return (yield from _steps(function(*args, **kwargs), span))

    return generator


def watched_async(function: Callable[..., AsyncGenerator[Any, Any]], begin: Begin) -> Callable[..., Any]:
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
                    with _current(span):
                        await body.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - the body decides what becomes of it
                    step = body.athrow(thrown)
                else:
                    step = body.asend(sent)

    return generator


def to_its_end(work: Any, span: Span | None) -> Any:
    """Work that is still to be done, one of `LATER`, with a span that is open until it is."""
    if type(work) is GeneratorType:
        return watched(lambda: work, lambda: span)()
    if type(work) is AsyncGeneratorType:
        return watched_async(lambda: work, lambda: span)()
    return _awaited(work, span)


async def _awaited(work: CoroutineType[Any, Any, Any], span: Span | None) -> Any:
    with Current(span):
        return await work


def _steps(body: Generator[Any, Any, Any], span: Span | None) -> Generator[Any, Any, Any]:
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
