"""How a server is told to stop. Standard library only."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_signals(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT while the block runs; in a thread that is not the main one, leave them alone.

    uvicorn's own way raises a caught signal again after the shutdown, which would end the process before `serve`
    returns.
    """
    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
