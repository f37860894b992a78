"""The current span, carried into threads. Tasks and `asyncio.to_thread` carry it themselves; bare pools do not.

A call in a bare pool has no parent: it looks like a request of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def carried(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, run wherever it may be in what is current here and now: the span, and LangChain's run.

    For `pool.submit(carried(f), x)`, `pool.map(carried(f), many)`, `Thread(target=carried(f))`,
    `loop.run_in_executor(None, carried(f))`.
    """
    here = copy_context()

    @functools.wraps(function)
    def there(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return here.copy().run(function, *args, **kwargs)  # a copy: many threads may call at once

    return there


class CarryingThreadPool(ThreadPoolExecutor):
    """A thread pool whose calls belong to the request that made them, by `submit` and by `map`."""

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Run a call in the pool, as part of what is current here."""
        return super().submit(carried(fn), *args, **kwargs)
