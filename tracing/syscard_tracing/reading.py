"""Who reads its message when: how long a message of gRPC is, is not known before, so only so many are read at once.

A stream that sends nothing looks like one whose message is on its way. So nobody is put out for being slow while there
is room; while others wait, whoever has held a place longest has a second, and the newest is next: streams that idle
fill the queue, and do not stand before senders that come after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syscard.errors import InboxFull
from syscard_tracing.intake import Limits, SlowBody


class Reading:
    """The places of one door. It belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = limits.reading
        self._held: dict[asyncio.Timeout, float] = {}
        """Since when each place is held; the longest first."""
        self._waiting: list[asyncio.Future[None]] = []
        """Newest last."""
        self._crowded = 0.0
        """Since when somebody waits."""

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while the block runs.

        Raises:
            InboxFull: none comes free in time, or the block takes long while others wait.
            SlowBody: the block takes longer than a message may, though nobody waits.
        """
        await self._take()
        begun = asyncio.get_running_loop().time()
        limit = asyncio.timeout_at(begun + self._limits.read_s)
        try:
            async with limit:
                self._held[limit] = begun
                self._hurry()
                yield
        except TimeoutError as error:
            if (limit.when() or 0) < begun + self._limits.read_s:
                raise InboxFull("the message did not arrive while others waited: send again") from error
            raise SlowBody("the message did not arrive in time: send smaller batches") from error
        finally:
            del self._held[limit]
            self._give()

    async def _take(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._crowded = self._crowded if self._waiting else asyncio.get_running_loop().time()
        self._waiting.append(turn)
        # Half of all requests in flight: the others are for those that are read and stored.
        if len(self._waiting) > max(1, self._limits.requests // 2):
            oldest = self._waiting.pop(0)
            if not oldest.done():  # else its sender has just gone
                oldest.set_exception(InboxFull("too many messages wait to be read: try again"))
        self._hurry()
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await turn
        except BaseException as error:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._hurry()
            elif turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give()  # it was given a place in the same moment
            if isinstance(error, TimeoutError):
                raise InboxFull("too many messages are being read: try again") from error
            raise

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                break
        else:
            self._free += 1
        self._hurry()

    def _hurry(self) -> None:
        """Of those that hold a place, as many as wait have little time; the others have what a message may take."""
        for number, (limit, begun) in enumerate(self._held.items()):
            late = begun + self._limits.read_s
            if number < len(self._waiting):
                late = min(late, max(begun, self._crowded) + self._limits.patience_s)
            if not limit.expired() and limit.when() != late:
                limit.reschedule(late)
