"""Generators with a span that is current while their body runs, and not while their consumer does.

A `with` around the body would leave the span current in the consumer between two items: what the consumer calls then
would pass for the generator's own calls, and generators that are consumed in turn would end each other's context.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Watch(Protocol):
    """How a span is begun and ended; nothing of it raises."""

    def begin(self) -> Span | None:
        """A span that is not current; None where tracing failed."""

    def end(self, span: Span | None, error: BaseException | None) -> None:
        """End it, with the error that ended the generator."""

    def attach(self, span: Span | None) -> Any:
        """Make it current; a token."""

    def detach(self, token: Any) -> None:
        """Make current what was before."""


def watched(function: Callable[..., Generator[Any, Any, Any]], watch: Watch) -> Callable[..., Any]:
    """The generator function with a span around each generator, from its first item to its end."""

    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _span(watch) as span:
            return (yield from _steps(function(*args, **kwargs), watch, span))

    return generator


def watched_async(function: Callable[..., AsyncGenerator[Any, Any]], watch: Watch) -> Callable[..., Any]:
    """The same for a function that makes asynchronous generators."""

    @functools.wraps(function)
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _span(watch) as span:
            body = function(*args, **kwargs)
            step = body.__anext__()
            while True:
                try:
                    with _current(watch, span):
                        item = await step
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with _current(watch, span):
                        await body.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - the body decides what becomes of it
                    step = body.athrow(thrown)
                else:
                    step = body.asend(sent)

    return generator


def _steps(body: Generator[Any, Any, Any], watch: Watch, span: Span | None) -> Generator[Any, Any, Any]:
    step: Callable[[], Any] = functools.partial(next, body)
    while True:
        try:
            with _current(watch, span):
                item = step()
        except StopIteration as done:
            return done.value
        try:
            sent = yield item
        except GeneratorExit:
            with _current(watch, span):
                body.close()
            raise
        except BaseException as thrown:  # noqa: BLE001 - the body decides what becomes of it
            step = functools.partial(body.throw, thrown)
        else:
            step = functools.partial(body.send, sent)


@contextmanager
def _span(watch: Watch) -> Iterator[Span | None]:
    span, failure = watch.begin(), None
    try:
        yield span
    except GeneratorExit:  # the consumer has had enough: no failure
        raise
    except BaseException as error:
        failure = error
        raise
    finally:
        watch.end(span, failure)


@contextmanager
def _current(watch: Watch, span: Span | None) -> Iterator[None]:
    token = watch.attach(span)
    try:
        yield
    finally:
        watch.detach(token)
