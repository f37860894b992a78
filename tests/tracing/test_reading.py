"""Places to read: who is slow keeps its place while nobody waits for it, and who comes last is next."""

from __future__ import annotations

import asyncio

import pytest

from syscard.errors import InboxFull
from syscard_tracing.intake import Limits, SlowBody
from syscard_tracing.reading import Reading


class Sender:
    """Holds a place until its message is there."""

    def __init__(self, reading: Reading) -> None:
        self.reads = asyncio.Event()
        self.message = asyncio.Event()
        self.task = asyncio.create_task(self._read(reading))

    async def _read(self, reading: Reading) -> None:
        async with reading.place():
            self.reads.set()
            await self.message.wait()

    async def sent(self) -> None:
        self.message.set()
        await self.task


async def started(reading: Reading, number: int) -> list[Sender]:
    senders = [Sender(reading) for _ in range(number)]
    await asyncio.sleep(0)
    return senders


async def test_who_is_slow_keeps_its_place_while_there_is_room() -> None:
    reading = Reading(Limits(reading=2, patience_s=0.01, read_s=30))
    slow, other = await started(reading, 2)
    await asyncio.sleep(0.1)
    await other.sent()
    (third,) = await started(reading, 1)
    await asyncio.wait_for(third.reads.wait(), 30)
    await asyncio.sleep(0.1)
    await third.sent()
    await slow.sent()


async def test_only_as_many_as_wait_are_put_out_and_those_that_have_held_longest() -> None:
    reading = Reading(Limits(reading=3, patience_s=0.05, read_s=30))
    first, second, third = await started(reading, 3)
    (late,) = await started(reading, 1)
    await asyncio.wait_for(late.reads.wait(), 30)
    with pytest.raises(InboxFull, match="send again"):
        await first.task
    await asyncio.sleep(0.2)
    for sender in (second, third, late):
        await sender.sent()


async def test_the_newest_is_next() -> None:
    reading = Reading(Limits(reading=1, patience_s=30))
    holds, early, newest = await started(reading, 3)
    await holds.sent()
    await asyncio.wait_for(newest.reads.wait(), 30)
    assert not early.reads.is_set()
    await newest.sent()
    await early.sent()


async def test_of_too_many_that_wait_the_oldest_is_told_to_come_again() -> None:
    reading = Reading(Limits(reading=1, requests=4, patience_s=30))
    holds, *waiting = await started(reading, 4)
    with pytest.raises(InboxFull, match="try again"):
        await waiting[0].task
    for sender in (waiting[2], waiting[1], holds):
        sender.message.set()
    await asyncio.gather(holds.task, *(sender.task for sender in waiting[1:]))


async def test_who_waits_longer_than_told_is_told_to_come_again_and_nobody_is_put_out_for_it() -> None:
    reading = Reading(Limits(reading=1, wait_s=0.05, patience_s=30))
    holds, waits = await started(reading, 2)
    with pytest.raises(InboxFull, match="try again"):
        await waits.task
    await holds.sent()
    (again,) = await started(reading, 1)
    assert again.reads.is_set()
    await again.sent()


async def test_a_message_that_takes_too_long_is_told_so_and_its_place_comes_free() -> None:
    reading = Reading(Limits(reading=1, read_s=0.05))
    (slow,) = await started(reading, 1)
    with pytest.raises(SlowBody, match="in time"):
        await slow.task
    (again,) = await started(reading, 1)
    assert again.reads.is_set()
    await again.sent()


async def test_a_sender_that_hangs_up_as_it_is_given_a_place_takes_none_with_it() -> None:
    reading = Reading(Limits(reading=1, patience_s=30))
    holds, waits = await started(reading, 2)
    holds.message.set()
    while not holds.task.done():
        await asyncio.sleep(0)
    waits.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits.task
    (again,) = await started(reading, 1)
    assert again.reads.is_set()
    await again.sent()


async def test_a_sender_that_goes_while_another_takes_its_place_in_the_queue_costs_nobody_a_place() -> None:
    reading = Reading(Limits(reading=1, requests=2, patience_s=30, read_s=30))
    holder, gone = await started(reading, 2)
    gone.task.cancel()
    (newcomer,) = await started(reading, 1)
    await holder.sent()
    await asyncio.wait_for(newcomer.reads.wait(), 30)
    await newcomer.sent()
    (next_one,) = await started(reading, 1)
    await asyncio.wait_for(next_one.reads.wait(), 30)
    await next_one.sent()
